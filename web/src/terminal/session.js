// One terminal in a workspace: opened over a websocket, and when that breaks opened again where it was, until the
// program has ended or it was tried for too long.

import { controlFrame, decodeFrame, kFrame, kStream } from "./frame.js";
import { Receiver, Sender } from "./stream.js";

const kOpenWithinMs = 15_000; // for the session to begin
const kGiveUpAfterMs = 90_000; // without a connection; below what an agent keeps a session
const kFirstDelayMs = 200;
const kLongestDelayMs = 5_000;
const kSessionIdBytes = 24;

/** Why a session is no more. `retry`: another attempt may do better. */
export class SessionError extends Error {
  constructor(code, message, retry = false) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}

export class TerminalSession {
  /** "connecting", "open", "interrupted" (trying to go on), "ended" (`exit` says how) or "lost" (`error` says why). */
  state = "connecting";
  /** `{code}`, `{signal}` or `{error_code, error_message}`, as the agent told it. */
  exit = null;
  error = null;
  #connect;
  #handlers;
  #request;
  #senders = { [kStream.input]: new Sender(kStream.input), [kStream.commands]: new Sender(kStream.commands) };
  #receivers = {
    [kStream.output]: new Receiver(kStream.output),
    [kStream.error]: new Receiver(kStream.error),
    [kStream.events]: new Receiver(kStream.events),
  };
  #socket = null;
  #attached = false; // the present connection was answered `opened`
  #closing = new AbortController();
  #eventText = "";
  #decoder = new TextDecoder();

  /**
   * `connect()` answers an open WebSocket, or throws: what has `retry` is tried again. `command` as in the protocol:
   * `{terminal, size: {rows, columns}}`. Handlers: `onOutput(bytes, done)`: call `done` when they were shown, which is
   * what keeps a fast program from running ahead; `onState()`.
   */
  constructor(connect, command, handlers) {
    this.#connect = connect;
    this.#handlers = handlers;
    this.#request = { session: makeSessionId(), kind: "terminal", command };
    this.#keepConnected();
  }

  get over() {
    return this.state === "ended" || this.state === "lost";
  }

  write(bytes) {
    if (this.over) return;
    this.#senders[kStream.input].write(bytes);
    this.#flush();
  }

  resize(size) {
    this.#request.command.size = size;
    if (this.over) return;
    this.#senders[kStream.commands].write(new TextEncoder().encode(JSON.stringify({ resize: size }) + "\n"));
    this.#flush();
  }

  /** Ends the program too, unless it has ended. */
  close() {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#sayGoodbye();
    if (!this.over) this.#setState("lost", new SessionError("CLIENT_CLOSED", "The terminal was closed."));
  }

  async #keepConnected() {
    const { signal } = this.#closing;
    let aloneSince = performance.now();
    let everOpened = false;
    for (let delay = kFirstDelayMs; !this.over; delay = Math.min(delay * 2, kLongestDelayMs)) {
      let trouble;
      try {
        await this.#serve(await this.#connect(), everOpened);
      } catch (error) {
        if (!error.code) throw error;
        trouble = error;
      }
      if (signal.aborted || this.over) return;
      if (trouble && !trouble.retry) return this.#setState("lost", trouble);
      if (this.#attached) {
        this.#attached = false;
        everOpened = true;
        aloneSince = performance.now();
        delay = kFirstDelayMs;
        this.#setState("interrupted");
      }
      const patience = everOpened ? kGiveUpAfterMs : kOpenWithinMs;
      if (performance.now() - aloneSince > patience)
        return this.#setState("lost", trouble ?? new SessionError("GAVE_UP", "The workspace cannot be reached."));
      await pause(delay * (0.5 + Math.random() / 2), signal);
    }
  }

  // Resolves when the connection has ended; rejects with what the other side, or we, closed it for.
  #serve(socket, resume) {
    if (this.#closing.signal.aborted) return socket.close(1000);
    this.#socket = socket;
    const received = {};
    for (const [name, id] of Object.entries(kStream)) received[name] = this.#receivers[id]?.position ?? 0;
    socket.send(controlFrame(kFrame.open, { ...this.#request, resume, received }));
    return new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => {
        try {
          this.#onFrame(decodeFrame(data));
        } catch (error) {
          reject(error);
          socket.close(1000, error.code);
        }
      };
      socket.onclose = () => {
        this.#socket = null;
        resolve();
      };
    });
  }

  #onFrame(frame) {
    if (this.over) return;
    const { type, message } = frame;
    if (type === kFrame.close) throw new SessionError(message.code, message.message, message.retry === true);
    if (type === kFrame.opened) this.#onOpened(message);
    else if (type === kFrame.ack) this.#senders[frame.stream]?.acknowledge(frame.offset);
    else this.#onData(frame);
    this.#flush();
    if (this.exit && Object.values(this.#receivers).every((receiver) => receiver.atEnd)) this.#end();
  }

  #onOpened({ received }) {
    this.#senders[kStream.input].resumeFrom(received.input);
    this.#senders[kStream.commands].resumeFrom(received.commands);
    this.#attached = true;
    this.#setState("open");
  }

  #onData(frame) {
    const receiver = this.#receivers[frame.stream];
    const bytes = receiver?.receive(frame);
    if (!bytes) return;
    if (frame.stream === kStream.output) {
      this.#handlers.onOutput(bytes, () => this.#shown(receiver, bytes.length));
      return;
    }
    receiver.take(bytes.length);
    if (frame.stream === kStream.events) this.#onEvents(bytes);
  }

  #shown(receiver, count) {
    receiver.take(count);
    this.#flush();
    if (this.exit && receiver.atEnd) this.#end();
  }

  #onEvents(bytes) {
    this.#eventText += this.#decoder.decode(bytes, { stream: true });
    const lines = this.#eventText.split("\n");
    this.#eventText = lines.pop();
    for (const line of lines) this.exit = JSON.parse(line).exit ?? this.exit;
  }

  #end() {
    if (this.over) return;
    this.#setState("ended");
    this.#closing.abort();
    this.#sayGoodbye();
  }

  // Lets the agent forget the session.
  #sayGoodbye() {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(controlFrame(kFrame.close, { code: "CLIENT_CLOSED", message: "the client is done", retry: false }));
    socket.close(1000);
  }

  #flush() {
    const socket = this.#socket;
    if (!this.#attached || socket?.readyState !== WebSocket.OPEN) return;
    for (const receiver of Object.values(this.#receivers)) {
      const ack = receiver.nextAck();
      if (ack) socket.send(ack);
    }
    for (const sender of Object.values(this.#senders)) {
      for (let frame = sender.nextFrame(); frame; frame = sender.nextFrame()) socket.send(frame);
    }
  }

  #setState(state, error = null) {
    this.state = state;
    this.error = error;
    this.#handlers.onState();
  }
}

function makeSessionId() {
  const bytes = crypto.getRandomValues(new Uint8Array(kSessionIdBytes));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

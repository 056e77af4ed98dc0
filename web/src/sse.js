// Server-sent events over fetch: EventSource cannot send the Authorization header.

const kSilenceMs = 45_000; // the hub sends a comment now and then; a longer silence is a dead connection
const kFirstDelayMs = 500;
const kLongestDelayMs = 20_000;

/** Cuts a stream of text into events (WHATWG HTML, "Interpreting an event stream"). */
export class EventParser {
  #rest = "";
  #event = emptyEvent();
  lastEventId = "";

  push(text) {
    const events = [];
    this.#rest += text;
    for (;;) {
      const end = /\r\n|\n|\r(?=[^])/.exec(this.#rest); // a final \r may be half of \r\n
      if (!end) return events;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line === "") this.#dispatch(events);
      else this.#field(line);
    }
  }

  #field(line) {
    const [, name, value] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line);
    if (name === "data") this.#event.data.push(value);
    else if (name === "event") this.#event.type = value;
    else if (name === "id" && !value.includes("\0")) this.lastEventId = value;
  }

  #dispatch(events) {
    const { type, data } = this.#event;
    this.#event = emptyEvent();
    if (data.length) events.push({ type: type || "message", data: data.join("\n"), id: this.lastEventId });
  }
}

const emptyEvent = () => ({ type: "", data: [] });

/**
 * A stream that is kept open: reconnects with back-off and resumes after the last event seen.
 * Handlers: `onEvent({type, data, id})`, with data parsed when it is JSON; `onState("open" | "retrying" | "refused" |
 * "ended", error)`; `onEnd()` when the hub closed the stream in order: true means that nothing more will come.
 */
export class EventFeed {
  #api;
  #path;
  #handlers;
  #lastEventId = "";
  #controller = null;

  constructor(api, path, handlers) {
    this.#api = api;
    this.#path = path;
    this.#handlers = handlers;
  }

  start() {
    if (this.#controller) return;
    this.#controller = new AbortController();
    this.#run(this.#controller.signal);
  }
  stop() {
    this.#controller?.abort();
    this.#controller = null;
  }

  async #run(signal) {
    for (let delay = kFirstDelayMs; !signal.aborted; delay = Math.min(delay * 2, kLongestDelayMs)) {
      try {
        await this.#read(signal, () => (delay = kFirstDelayMs));
        if (signal.aborted) return;
        if (await this.#handlers.onEnd?.()) return this.#tell("ended", null);
        this.#tell("retrying", null);
      } catch (error) {
        if (signal.aborted) return;
        if (error.status >= 400 && error.status < 500 && error.status !== 429) return this.#tell("refused", error);
        this.#tell("retrying", error);
      }
      await pause(delay * (0.5 + Math.random() / 2), signal);
    }
  }

  async #read(signal, onOpen) {
    const connection = new AbortController();
    const silence = new Watchdog(kSilenceMs, () => connection.abort());
    try {
      const stop = AbortSignal.any([signal, connection.signal]);
      const response = await this.#api.stream(this.#path, { lastEventId: this.#lastEventId, signal: stop });
      onOpen();
      this.#tell("open", null);
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return;
        silence.reset();
        for (const event of parser.push(value)) this.#deliver(event);
      }
    } finally {
      silence.stop();
    }
  }

  #deliver(event) {
    if (event.id) this.#lastEventId = event.id;
    this.#handlers.onEvent({ ...event, data: parseOrText(event.data) });
  }
  #tell(state, error) {
    this.#handlers.onState?.(state, error);
  }
}

class Watchdog {
  #timer;
  constructor(ms, action) {
    this.reset = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(action, ms);
    };
    this.reset();
  }
  stop() {
    clearTimeout(this.#timer);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function parseOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

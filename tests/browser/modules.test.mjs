// The parts of the dashboard that need no browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { duration, relative } from "../../web/src/format.js";
import { parseRoute } from "../../web/src/router.js";
import { doneAgain, eventsByStep, logLines, nest, segmentsOf, withPrevious } from "../../web/src/run_model.js";
import { EventParser } from "../../web/src/sse.js";
import { controlFrame, decodeFrame, kFrame, kStream, streamFrame } from "../../web/src/terminal/frame.js";
import { TerminalSession } from "../../web/src/terminal/session.js";
import { Receiver, Sender } from "../../web/src/terminal/stream.js";
import * as madeUp from "./made_up_run.mjs";

const kFeed = 'id: 1\r\nevent: run_started\ndata: {"seq":1}\n\n: a comment\n\rid:2\rdata: a\rdata:b\r\r';

test("An event stream parses alike wherever it is cut", () => {
  const whole = [
    { type: "run_started", data: '{"seq":1}', id: "1" },
    { type: "message", data: "a\nb", id: "2" },
  ];
  for (let cut = 0; cut <= kFeed.length; ++cut) {
    const parser = new EventParser();
    const events = [...parser.push(kFeed.slice(0, cut)), ...parser.push(kFeed.slice(cut)), ...parser.push("\n")];
    assert.deepEqual(events, whole, `cut at ${cut}`);
  }
});

test("An event without data is none, but its id counts", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("id: 7\nevent: x\n\n"), []);
  assert.equal(parser.lastEventId, "7");
});

test("An event that is not ended is not given out", () => {
  assert.deepEqual(new EventParser().push("data: half\n"), []);
});

test("Durations read well at every size", () => {
  const cases = { 0: "0 ms", 999: "999 ms", 1250: "1.2 s", 59_999: "59 s", 60_000: "1 min", 125_000: "2 min 5 s" };
  for (const [ms, text] of Object.entries(cases)) assert.equal(duration(Number(ms)), text);
  assert.equal(duration(null), "–");
});

test("Ages read well, past and future", () => {
  assert.equal(relative(3_000), "just now");
  assert.equal(relative(61_000), "1 min ago");
  assert.equal(relative(-3_600_000), "in 1 h");
  assert.equal(relative(400 * 86_400_000), "13 months ago");
});

test("A route is its segments and its query, whatever was typed", () => {
  assert.deepEqual(parseRoute("#/runs?status=failed&page=2"), {
    segments: ["runs"],
    query: { status: "failed", page: "2" },
  });
  assert.deepEqual(parseRoute(""), { segments: [], query: {} });
  assert.deepEqual(parseRoute("#/workspaces/a%20b").segments, ["workspaces", "a b"]);
  assert.deepEqual(parseRoute("#/workspaces/%E0%A4%A").segments, ["workspaces", "%E0%A4%A"]);
});

const bytesOf = (text) => new TextEncoder().encode(text);
const decoded = (frame) => decodeFrame(frame.buffer);

test("A stream's frame is laid out as the protocol says, and read back", () => {
  const frame = streamFrame(kFrame.data, kStream.events, 2 ** 40 + 1, bytesOf("ab"));
  assert.deepEqual([...frame], [0x20, 0, 0, 0, 1, 4, 0, 0, 1, 0, 0, 0, 0, 1, 97, 98]);
  const { type, stream, offset, bytes } = decoded(frame);
  assert.deepEqual([type, stream, offset, ...bytes], [0x20, 4, 2 ** 40 + 1, 97, 98]);
});

test("What is no frame for a client is refused", () => {
  const good = streamFrame(kFrame.data, 1, 0, bytesOf("x"));
  const withByte = (index, value) => Uint8Array.from(good, (byte, at) => (at === index ? value : byte)).buffer;
  for (const bad of [
    new ArrayBuffer(4),
    good.buffer.slice(0, 13),
    withByte(0, 0x10),
    withByte(0, 0x99),
    withByte(4, 2),
    streamFrame(kFrame.data, 1, 0, new Uint8Array(32 * 1024 + 1)).buffer,
    Uint8Array.of(kFrame.opened, 0, 0, 0, 1, 0xff).buffer,
  ])
    assert.throws(() => decodeFrame(bad), { code: "PROTOCOL_ERROR" });
});

test("A sender keeps to its window, and sends again what was not taken", () => {
  const sender = new Sender(kStream.input);
  sender.write(new Uint8Array(300 * 1024));
  const sent = [];
  const drain = () => {
    for (let frame = sender.nextFrame(); frame; frame = sender.nextFrame()) sent.push(decoded(frame).offset);
    return sent.splice(0);
  };
  assert.deepEqual(
    drain(),
    [0, 1, 2, 3, 4, 5, 6, 7].map((each) => each * 32 * 1024),
  );
  sender.acknowledge(64 * 1024);
  assert.deepEqual(drain(), [256 * 1024, 288 * 1024]);
  sender.resumeFrom(65 * 1024);
  assert.equal(drain()[0], 65 * 1024);
  assert.throws(() => sender.acknowledge(300 * 1024 + 1), { code: "PROTOCOL_ERROR" });
  assert.throws(() => sender.resumeFrom(1), { code: "PROTOCOL_ERROR" });
});

test("A receiver takes each byte once, in order, and tells when it has", () => {
  const receiver = new Receiver(kStream.output);
  const receive = (offset, text, type = kFrame.data) => receiver.receive({ type, offset, bytes: bytesOf(text) });
  assert.deepEqual([...receive(0, "abc")], [97, 98, 99]);
  assert.equal(receive(0, "abc"), null);
  assert.deepEqual([...receive(1, "bcd")], [100]);
  assert.throws(() => receive(5, "f"), { code: "PROTOCOL_ERROR" });
  assert.equal(receiver.position, 0);
  receiver.take(3);
  assert.equal(receiver.nextAck(), null);
  assert.equal(receive(4, "", kFrame.eof), null);
  assert.equal(receiver.atEnd, false);
  receiver.take(1);
  assert.equal(decoded(receiver.nextAck()).offset, 5);
  assert.equal(receiver.nextAck(), null);
  assert.throws(() => receive(4, "more"), { code: "PROTOCOL_ERROR" });
});

globalThis.WebSocket ??= { OPEN: 1, CLOSED: 3 }; // older Node has none

// The other end of a session: what was sent, and what it answers.
class FakeSocket {
  readyState = WebSocket.OPEN;
  sent = [];
  send(frame) {
    this.sent.push(frame);
  }
  close() {
    this.readyState = WebSocket.CLOSED;
    this.onclose();
  }
  arrives(frame) {
    this.onmessage({ data: frame.buffer });
  }
  opened(input = 0) {
    const received = { input, output: 0, error: 0, commands: 0, events: 0 };
    this.arrives(controlFrame(kFrame.opened, { resumed: input > 0, received }));
  }
  typed() {
    return this.sent
      .filter((frame) => frame[0] === kFrame.data)
      .map((frame) => new TextDecoder().decode(frame.slice(14)))
      .join("");
  }
}

// A session whose connections are handed out by the test, as they are asked for.
function startSession() {
  const sockets = [];
  const asked = [];
  const next = () => (sockets.length ? Promise.resolve(sockets.shift()) : new Promise((give) => asked.push(give)));
  const connect = () => {
    const socket = new FakeSocket();
    const give = asked.shift();
    if (give) give(socket);
    else sockets.push(socket);
    return Promise.resolve(socket);
  };
  const output = [];
  const states = [];
  const session = new TerminalSession(
    connect,
    { terminal: "xterm", size: { rows: 1, columns: 2 } },
    {
      onOutput: (bytes, done) => (output.push(new TextDecoder().decode(bytes)), done()),
      onState: () => states.push(session.state),
    },
  );
  return { session, next, output, states };
}

const openRequest = (socket) => JSON.parse(new TextDecoder().decode(socket.sent[0].slice(5)));
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("A session goes on where it was after its connection broke, and ends with the program", async () => {
  const { session, next, output, states } = startSession();
  const first = await next();
  await settled();
  assert.equal(openRequest(first).resume, false);
  session.write(bytesOf("early"));
  assert.equal(first.typed(), "");
  first.opened();
  assert.equal(first.typed(), "early");
  first.arrives(streamFrame(kFrame.data, kStream.output, 0, bytesOf("hello ")));
  first.close();

  const second = await next();
  await settled();
  const again = openRequest(second);
  assert.deepEqual([again.resume, again.session, again.received.output], [true, openRequest(first).session, 6]);
  second.opened(3);
  assert.equal(second.typed(), "ly");
  second.arrives(streamFrame(kFrame.data, kStream.output, 0, bytesOf("hello again")));
  const exit = bytesOf('{"exit":{"code":3}}\n');
  second.arrives(streamFrame(kFrame.data, kStream.events, 0, exit));
  assert.equal(session.over, false);
  second.arrives(streamFrame(kFrame.eof, kStream.events, exit.length));
  second.arrives(streamFrame(kFrame.eof, kStream.output, 11));
  second.arrives(streamFrame(kFrame.eof, kStream.error, 0));
  assert.equal(output.join(""), "hello again");
  assert.deepEqual(session.exit, { code: 3 });
  assert.deepEqual(states, ["open", "interrupted", "open", "ended"]);
  assert.equal(second.sent.at(-1)[0], kFrame.close);
});

test("What the agent refuses for good is not tried again", async () => {
  const { session, next } = startSession();
  const socket = await next();
  await settled();
  socket.arrives(controlFrame(kFrame.close, { code: "TOO_MANY_SESSIONS", message: "no more", retry: false }));
  await settled();
  assert.deepEqual([session.state, session.error.code], ["lost", "TOO_MANY_SESSIONS"]);
});

test("A run's events become attempts, waits and undoing, whole and without holes", () => {
  const events = eventsByStep(withPrevious(madeUp.events)).get("create-machine");
  const step = madeUp.run.steps.find(({ name }) => name === "create-machine");
  const began = Date.parse(madeUp.run.startedAt);
  const seen = segmentsOf(step, events, began).map(({ kind, from, to, error }) => [
    kind,
    from - began,
    to - began,
    error?.code ?? null,
  ]);
  assert.deepEqual(seen, [
    ["attempt", 70, 2_000, "BACKEND_BUSY"],
    ["wait", 2_000, 5_000, null],
    ["attempt", 5_000, 7_000, "BACKEND_BUSY"],
    ["wait", 7_000, 12_000, null],
    ["attempt", 12_000, 15_000, null],
    ["undo", 31_000, 34_000, null],
  ]);
});

test("A step whose informing events were lost is one attempt, and one at work reaches up to now", () => {
  const startedAt = "2025-01-12T10:00:00.000Z";
  const now = Date.parse(startedAt) + 5_000;
  const [only, ...more] = segmentsOf({ kind: "step", startedAt }, undefined, now);
  assert.deepEqual([only.kind, only.to, only.open, more.length], ["attempt", now, true, 0]);
  assert.deepEqual(segmentsOf({ status: "pending" }, [], now), []);
});

test("Items stand under their fan-out, at any depth", () => {
  const steps = [
    { name: "a", kind: "fan_out", items: 2 },
    { name: "a[0]", kind: "fan_out", items: 1 },
    { name: "a[0][0]", kind: "step" },
    { name: "a[1].check", kind: "step" },
    { name: "b[x]", kind: "step" },
  ];
  const shape = (nodes) => nodes.map(({ step, items }) => (items.length ? [step.name, shape(items)] : step.name));
  assert.deepEqual(shape(nest(steps)), [["a", [["a[0]", ["a[0][0]"]], "a[1].check"]], "b[x]"]);
});

test("A step that was done again is known by the next of its name", () => {
  const steps = ["wait", "wait#2", "wait#10", "create", "each[0]", "each[0]#2"].map((name) => ({ name }));
  assert.deepEqual([...doneAgain(steps)], ["wait", "each[0]"]);
});

test("Every event is told, also of a type that is not known yet", () => {
  const lines = logLines([...madeUp.events, { seq: 99, type: "moon_landed", at: madeUp.run.startedAt }]);
  assert.equal(lines.length, madeUp.events.length + 1);
  assert.equal(lines.at(-1).text, "moon landed");
});

const kWeb = new URL("../../web/", import.meta.url).pathname;
const kFirstLoadBytes = 60_000; // what a phone on a bad line fetches in a second

// What the first page loads: everything that is imported, not what is imported later.
function firstLoad(name = "src/app.js", seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(join(kWeb, name), "utf8");
  for (const [, target] of text.matchAll(/^(?:import|export)[^"']*?["'](\.[^"']+)["'];$/gm))
    firstLoad(join(dirname(name), target), seen);
  return seen;
}

test("All that the first page loads is fetched at once, and is small", () => {
  const modules = firstLoad();
  const index = readFileSync(join(kWeb, "index.html"), "utf8");
  const preloaded = [...index.matchAll(/modulepreload" href="([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual([...preloaded, "src/app.js"].sort(), [...modules].sort());
  const files = ["index.html", "style.css", "icon.svg", ...modules];
  const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(kWeb, name))).length, 0);
  assert.ok(bytes < kFirstLoadBytes, `${bytes} bytes`);
});

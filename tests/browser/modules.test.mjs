// The parts of the dashboard that need no browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, relative } from "../../web/src/format.js";
import { parseRoute } from "../../web/src/router.js";
import { EventParser } from "../../web/src/sse.js";

const kStream = 'id: 1\r\nevent: run_started\ndata: {"seq":1}\n\n: a comment\n\rid:2\rdata: a\rdata:b\r\r';

test("An event stream parses alike wherever it is cut", () => {
  const whole = [
    { type: "run_started", data: '{"seq":1}', id: "1" },
    { type: "message", data: "a\nb", id: "2" },
  ];
  for (let cut = 0; cut <= kStream.length; ++cut) {
    const parser = new EventParser();
    const events = [...parser.push(kStream.slice(0, cut)), ...parser.push(kStream.slice(cut)), ...parser.push("\n")];
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

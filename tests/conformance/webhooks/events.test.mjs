// The live stream and its pages as CloudEvents, read with the public library (WF-46).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CloudEvent, HTTP } from "cloudevents";

import { startHub } from "../../browser/hub.mjs";

let hub;
before(async () => {
  hub = await startHub(process.env.SLIPWAY_BIN);
});
after(() => hub?.stop());

function get(path, accept, headers = {}) {
  return fetch(hub.url + path, { headers: { Authorization: `Bearer ${hub.key}`, Accept: accept, ...headers } });
}

// As a receiver reads a message in structured mode; strict: what breaks the specification throws.
function read(event) {
  const parsed = HTTP.toEvent({
    headers: { "content-type": "application/cloudevents+json" },
    body: JSON.stringify(event),
  });
  new CloudEvent(parsed).validate();
  return parsed;
}

function check(events) {
  assert.ok(events.length >= 3);
  for (const event of events) {
    assert.equal(event.specversion, "1.0");
    assert.equal(event.source, "/v1/events");
    assert.equal(event.datacontenttype, "application/json");
    assert.ok(!Number.isNaN(Date.parse(event.time)));
    assert.equal(event.subject, event.data.id);
  }
  const types = events.map((event) => event.type);
  assert.ok(types.includes("workspace.created") && types.includes("run.started"), types.join());
}

test("the stream and the page are CloudEvents, and say the same", async () => {
  const stream = await get("/v1/events?format=cloudevents", "text/event-stream");
  const made = await fetch(`${hub.url}/v1/workspaces`, {
    method: "POST",
    headers: { Authorization: `Bearer ${hub.key}`, Prefer: "wait=60" },
    body: JSON.stringify({ name: "announced" }),
  });
  assert.equal(made.status, 202);
  const streamed = [];
  let text = "";
  for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const frames = text.split("\n\n");
    text = frames.pop();
    for (const frame of frames) {
      const field = (name) => frame.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
      if (!field("data") || field("event") === "hello") continue;
      const event = JSON.parse(field("data"));
      assert.deepEqual([field("id"), field("event")], [event.id, event.type]);
      streamed.push(event);
    }
    if (streamed.some((event) => event.type === "run.completed")) break;
  }
  check(streamed.map(read));
  const page = await (await get("/v1/events?format=cloudevents&limit=500", "application/json")).json();
  const ids = new Set(streamed.map((event) => event.id));
  assert.deepEqual(page.data.changes.filter((event) => ids.has(event.id)), streamed);
  page.data.changes.forEach(read);
});

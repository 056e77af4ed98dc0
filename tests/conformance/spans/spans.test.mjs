// What a hub exports, read by OpenTelemetry's own types (RUN-18, WF-49): a request's trace goes on into the run that it
// began and the run's steps.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { startHub } from "../../browser/hub.mjs";

const require = createRequire(import.meta.url);
const otlp = require("@opentelemetry/otlp-transformer/build/src/generated/root.js").opentelemetry.proto;
const Request = otlp.collector.trace.v1.ExportTraceServiceRequest;

const kPatienceMs = 60_000;
const kTrace = "0af7651916cd43dd8448eb211c80319c";
const kParent = "b7ad6b7169203331";

// In OTLP's JSON the ids are hex, where Protobuf's usual JSON would have base 64.
function decode(text) {
  const body = JSON.parse(text);
  for (const resource of body.resourceSpans)
    for (const scope of resource.scopeSpans)
      for (const span of scope.spans)
        for (const name of ["traceId", "spanId", "parentSpanId"])
          if (span[name] !== undefined) span[name] = Buffer.from(span[name], "hex").toString("base64");
  const message = Request.fromObject(body);
  assert.equal(Request.verify(message), null);
  // Through the wire format and back: nothing is lost that the types do not know.
  return Request.toObject(Request.decode(Request.encode(message).finish()), { longs: String, bytes: String, enums: String });
}

async function startCollector() {
  const spans = [];
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    assert.equal(request.url, "/v1/traces");
    assert.equal(request.headers["content-type"], "application/json");
    for (const resource of decode(Buffer.concat(pieces).toString()).resourceSpans)
      for (const scope of resource.scopeSpans) spans.push(...scope.spans);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { spans, url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

const hex = (text) => Buffer.from(text ?? "", "base64").toString("hex");

test("a request's trace is exported with its run and the run's steps", async () => {
  const collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `${collector.url}/`;
  const hub = await startHub(process.env.SLIPWAY_BIN);
  try {
    const answer = await fetch(`${hub.url}/v1/workspaces`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${hub.key}`,
        Prefer: "wait=30",
        traceparent: `00-${kTrace}-${kParent}-01`,
      },
      body: JSON.stringify({ name: "traced" }),
    });
    assert.equal(answer.status, 202);
    const ours = () => collector.spans.filter((span) => hex(span.traceId) === kTrace);
    const find = (name) => ours().find((span) => span.name === name);
    const names = ["POST /v1/workspaces", "workspace.create", "create-machine"];
    for (const end = Date.now() + kPatienceMs; Date.now() < end && !names.every(find); ) await pause(50);
    const [request, run, step] = names.map(find);
    assert.ok(request && run && step, `exported: ${ours().map((span) => span.name)}`);
    assert.equal(hex(request.parentSpanId), kParent);
    assert.equal(hex(run.parentSpanId), hex(request.spanId));
    assert.equal(hex(step.parentSpanId), hex(run.spanId));
    assert.equal(request.kind, "SPAN_KIND_SERVER");
    assert.ok(BigInt(step.startTimeUnixNano) >= BigInt(run.startTimeUnixNano));
    assert.ok(BigInt(step.endTimeUnixNano) <= BigInt(run.endTimeUnixNano));
  } finally {
    await hub.stop();
    collector.stop();
  }
});

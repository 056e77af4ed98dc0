// A real receiver, as a user would write it with the public libraries, against a real hub.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { HTTP } from "cloudevents";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

import { startHub } from "../../browser/hub.mjs";

const kPatienceMs = 60_000;

let hub;
let receiver;

before(async () => {
  process.env.SLIPWAY_WEBHOOK_ALLOW_PRIVATE = "true";
  hub = await startHub(process.env.SLIPWAY_BIN);
  receiver = await startReceiver();
});

after(async () => {
  await hub?.stop();
  receiver?.server.close();
  receiver?.server.closeAllConnections();
});

// Hands each message to whoever waits for its path; `messages` keeps them all.
async function startReceiver() {
  const messages = [];
  const waiting = new Set();
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      messages.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString("utf8") });
      response.writeHead(204).end();
      for (const look of [...waiting]) look();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const until = (condition) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("waited in vain for a message")), kPatienceMs);
      const look = () => {
        const found = messages.find(condition);
        if (!found) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { server, messages, until, url: `http://127.0.0.1:${server.address().port}` };
}

async function api(method, path, body) {
  const headers = { Authorization: `Bearer ${hub.key}`, "Content-Type": "application/json" };
  const answer = await fetch(hub.url + path, { method, headers, body: body && JSON.stringify(body) });
  const { data, error } = await answer.json();
  assert.ok(answer.ok, JSON.stringify(error));
  return data;
}

const make = (path, fields) => api("POST", "/v1/webhooks", { url: receiver.url + path, eventTypes: ["*"], ...fields });

async function ping(webhook, path) {
  const delivery = await api("POST", `/v1/webhooks/${webhook.id}/ping`);
  return receiver.until((message) => message.path === path && message.headers["webhook-id"] === delivery.id);
}

test("the public library verifies what is sent", async () => {
  const webhook = await make("/verified", { eventTypes: ["run.*", "workspace.*"] });
  const message = await ping(webhook, "/verified");
  const payload = new Webhook(webhook.secret).verify(message.body, message.headers);
  assert.equal(payload.type, "webhook.ping");
  assert.ok(Math.abs(Date.parse(payload.timestamp) - Date.now()) < 300_000);

  await api("POST", "/v1/workspaces", { name: "verified" });
  const told = await receiver.until(({ path, body }) => path === "/verified" && JSON.parse(body).type === "run.completed");
  assert.equal(new Webhook(webhook.secret).verify(told.body, told.headers).data.type, "workspace.create");
});

test("a wrong secret, and a changed body, id or time, are refused", async () => {
  const webhook = await make("/refused");
  const { headers, body } = await ping(webhook, "/refused");
  const other = await make("/other");
  const good = new Webhook(webhook.secret);
  const refused = (verifier, text, changed) =>
    assert.throws(() => verifier.verify(text, { ...headers, ...changed }), WebhookVerificationError);
  refused(new Webhook(other.secret), body, {});
  refused(good, body.replace("webhook.ping", "webhook.pong"), {});
  refused(good, body, { "webhook-id": "whd_another" });
  refused(good, body, { "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) });
  refused(good, body, { "webhook-signature": "v1," });
  assert.ok(good.verify(body, headers));
});

test("over a rotation both secrets verify, and after it only the new one", async () => {
  const webhook = await make("/rotated");
  const fresh = await api("POST", `/v1/webhooks/${webhook.id}/rotate-secret`, { graceMs: 3_600_000 });
  const during = await ping(webhook, "/rotated");
  assert.ok(new Webhook(webhook.secret).verify(during.body, during.headers));
  assert.ok(new Webhook(fresh.secret).verify(during.body, during.headers));

  const last = await api("POST", `/v1/webhooks/${webhook.id}/rotate-secret`, { graceMs: 0 });
  const afterwards = await ping(webhook, "/rotated");
  assert.ok(new Webhook(last.secret).verify(afterwards.body, afterwards.headers));
  assert.throws(() => new Webhook(fresh.secret).verify(afterwards.body, afterwards.headers), WebhookVerificationError);
});

test("the public library reads CloudEvents", async () => {
  const webhook = await make("/events", { format: "cloudevents" });
  await api("POST", "/v1/workspaces", { name: "evented" });
  const message = await receiver.until(
    ({ path, body }) => path === "/events" && JSON.parse(body).type === "workspace.created",
  );
  new Webhook(webhook.secret).verify(message.body, message.headers);
  assert.match(message.headers["content-type"], /^application\/cloudevents\+json/);
  const event = HTTP.toEvent({ headers: message.headers, body: message.body });
  assert.ok(event.validate());
  assert.equal(event.specversion, "1.0");
  assert.equal(event.type, "workspace.created");
  assert.equal(event.subject, event.data.id);
  assert.equal(event.data.name, "evented");
  assert.ok(Date.parse(event.time));
  assert.ok(event.id && event.source);
});

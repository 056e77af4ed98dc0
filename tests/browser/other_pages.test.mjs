// Metrics, schedules, queues and webhooks in the browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { gone, heading, overflow, startStage, visible } from "./browser.mjs";

let stage;
let page;
let receiver; // where webhooks go

before(async () => {
  stage = await startStage({ options: ["--webhook-allow-private"] });
  receiver = await startReceiver();
  await stage.makeWorkspace("counted");
  await stage.call("POST", "/v1/schedules", {
    name: "nightly",
    type: "hub.forget-old",
    input: {},
    cron: "30 4 * * MON-FRI",
    timeZone: "Europe/Berlin",
  });
  await stage.call("PUT", "/v1/queues/builds", { concurrency: 2, rate: { count: 10, periodMs: 60_000 } });
  page = await stage.openSignedIn();
});
after(async () => {
  receiver?.close();
  await stage?.stop();
});

// Answers `{url, messages, close()}`: takes every message.
async function startReceiver() {
  const messages = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      messages.push(JSON.parse(body));
      response.writeHead(204).end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => (server.close(), server.closeAllConnections());
  return { url: `http://127.0.0.1:${server.address().port}/hook`, messages, close };
}

const go = (name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();
const row = (text) => page.locator("tbody tr").filter({ hasText: text });
const button = (name) => page.getByRole("button", { name, exact: true });
const inDialog = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true });
const headStatus = (status) => visible(page.locator(`.page-head .badge[data-status=${status}]`));

test("Metrics count what ran, and lead to it", async () => {
  await go("Metrics");
  await visible(heading(page, "Metrics"));
  await visible(row("workspace.create"));
  const cells = await row("workspace.create").getByRole("cell").allInnerTexts();
  assert.deepEqual(cells.slice(0, 4), ["workspace.create", "1", "0", "100%"]);
  await stage.inspect("metrics", page);
  await page.getByLabel("Runs that began in the").selectOption("1h");
  await page.waitForURL(/#\/metrics\?period=1h$/);
  await row("workspace.create").getByRole("link").click();
  await visible(heading(page, "Runs"));
  await page.waitForURL(/type=workspace\.create&since=1h$/);
  await visible(row("workspace.create"));
});

test("A schedule is paused with a reason, run by hand, and resumed", async () => {
  await go("Schedules");
  await visible(row("nightly"));
  await stage.inspect("schedules", page);
  await button("Pause nightly").click();
  await page.getByLabel("Why").fill("holidays");
  await stage.inspect("pause", page);
  await inDialog("Pause").click();
  await visible(row("nightly").getByText("holidays"));
  await row("nightly").getByRole("link", { name: "nightly" }).click();
  await headStatus("paused");
  await visible(page.getByText("Europe/Berlin"));
  await stage.inspect("schedule", page);
  await button("Run now: nightly").click();
  await visible(heading(page, "hub.forget-old"));
  await headStatus("completed"); // so that it is none of what the webhook below is told of
  await page.goBack();
  await visible(page.getByText("Triggered"));
  await button("Resume nightly").click();
  await headStatus("active");
});

test("A queue shows its limits, and is paused and resumed", async () => {
  await go("Queues");
  await visible(row("builds"));
  assert.match(await row("builds").innerText(), /0 of 2[\s\S]*10 in 1 min/);
  await button("Pause builds").click();
  await inDialog("Pause").click();
  await visible(row("builds").locator("[data-status=paused]"));
  await stage.inspect("queues", page);
  await button("Resume builds").click();
  await visible(row("builds").locator("[data-status=active]"));
});

test("A webhook is made, its secret shown once, and a ping arrives", async () => {
  await go("Webhooks");
  await visible(page.getByText("No webhooks"));
  await button("New webhook").first().click();
  await page.getByLabel("URL").fill("not an address");
  await inDialog("Create webhook").click();
  await visible(page.getByRole("dialog").getByText("VALIDATION_ERROR"));
  await page.getByLabel("URL").fill(receiver.url);
  await stage.inspect("new-webhook", page);
  await inDialog("Create webhook").click();
  await visible(page.getByRole("dialog").getByText(/^whsec_/));
  await stage.inspect("webhook-secret", page);
  await inDialog("I have kept it").click();
  await visible(heading(page, receiver.url));
  assert.ok(!(await page.locator("body").innerText()).includes("whsec_"));
  await button(`Ping ${receiver.url}`).click();
  await visible(page.locator("[data-status=delivered] .step-button", { hasText: "webhook.ping" }));
  assert.equal(receiver.messages[0].type, "webhook.ping");
});

test("A delivery shows what was sent and what was answered, and is sent again", async () => {
  await page.locator("[data-delivery] .step-button").click();
  await page.getByText("What is sent").click();
  await visible(page.getByRole("region", { name: "Headers and body" }).getByText(/webhook-signature/));
  await visible(page.getByText(/^Attempt 1.*answer 204/));
  await stage.inspect("webhook", page);
  await page.setViewportSize({ width: 360, height: 740 });
  assert.equal(await overflow(page), 0);
  await stage.inspect("webhook-narrow", page);
  await page.setViewportSize({ width: 1280, height: 860 });
  await button("Send again").click();
  await visible(page.getByText(/^Attempt 2.*answer 204/));
  assert.equal(receiver.messages.length, 2);
});

test("A webhook is paused, resumed, and deleted", async () => {
  await button(`Pause ${receiver.url}`).click();
  await inDialog("Pause").click();
  await headStatus("paused");
  await button(`Resume ${receiver.url}`).click();
  await headStatus("active");
  await button("Delete").click();
  await inDialog("Delete webhook").click();
  await visible(heading(page, "Webhooks"));
  await gone(row(receiver.url));
});

// WP-19
test("The audit is verified, filtered, and exported as a file", async () => {
  await go("Audit");
  await visible(row("webhook.delete"));
  await button("Verify").click();
  await visible(page.getByText("The audit is whole."));
  await stage.inspect("audit", page);
  await page.getByLabel("Action").fill("webhook.");
  await page.keyboard.press("Tab");
  await page.waitForURL(/audit\?action=webhook\.$/);
  await gone(row("schedule."));
  const [download] = await Promise.all([page.waitForEvent("download"), button("Export").click()]);
  const lines = readFileSync(await download.path(), "utf8")
    .trim()
    .split("\n")
    .map(JSON.parse);
  assert.deepEqual(
    lines.map(({ seq }) => seq),
    lines.map((_, index) => index + 1),
  );
  assert.ok(lines.some(({ action }) => action === "webhook.delete"));
});

test("Where nothing is the matter there are no alerts", async () => {
  await go("Alerts");
  await visible(page.getByText("All is well"));
  await stage.inspect("no-alerts", page);
});

test("Narrow screens show these pages without scrolling sideways", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const name of ["Metrics", "Schedules", "Queues", "Webhooks"]) {
    await go(name);
    await visible(heading(page, name));
    await visible(page.locator("table, .empty"));
    assert.equal(await overflow(page), 0, `${name} is too wide`);
    await stage.inspect(`${name.toLowerCase()}-narrow`, page);
  }
});

test("Who is no admin is not offered what is for admins", async () => {
  const { key } = await stage.call("POST", "/v1/api-keys", { name: "somebody" });
  const other = await stage.openPage();
  await other.goto(`${stage.hub.url}/#key=${key}`);
  await visible(other.getByText("somebody"));
  const links = await other.getByRole("navigation", { name: "Main" }).getByRole("link").allInnerTexts();
  assert.deepEqual(links, ["Workspaces", "Templates", "Quota", "Runs", "Alerts", "Metrics", "Webhooks", "API"]);
  await other.goto(`${stage.hub.url}/#/queues`);
  await visible(other.getByRole("alert").filter({ hasText: "FORBIDDEN" }));
  await other.context().close();
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

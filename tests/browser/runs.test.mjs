// The list of runs, and doing a run again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { gone, heading, startStage, visible } from "./browser.mjs";

const kHourMs = 3_600_000;
const kRunsOfHour = 60; // one a minute: more than a page

let stage;
let page;

before(async () => {
  stage = await startStage();
  page = await stage.openSignedIn("runs");
  await visible(heading(page, "Runs"));
});
after(() => stage?.stop());

const row = (text) => page.locator("tbody tr").filter({ hasText: text });
const rows = () => page.locator("tbody tr");
const button = (name) => page.getByRole("button", { name, exact: true });
const inDialog = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true });
const headStatus = (status) => visible(page.locator(`.page-head .badge[data-status=${status}]`));

test("A run shows in the list as it begins, and its end, without asking", async () => {
  await visible(page.locator(".live-live"));
  stage.hub.gate.close();
  const made = stage.makeWorkspace("live");
  await visible(row("workspace.create").locator("[data-status=running]"));
  stage.hub.gate.open();
  await visible(row("workspace.create").locator("[data-status=completed]"));
  await made;
});

test("A cancelled run is retried from where it is asked to, as a new run that is linked", async () => {
  stage.hub.gate.close();
  const begun = await stage.call("POST", "/v1/workspaces", { name: "again" }, { wait: 0 });
  await page.goto(`${stage.hub.url}/#/runs/${begun.run.id}`);
  await visible(page.locator("[data-step=create-machine][data-status=running]"));
  await button("Cancel run").click();
  await inDialog("Cancel run").click();
  await gone(page.getByRole("dialog")); // the hub knows of it before the machine can go on
  stage.hub.gate.open();
  await headStatus("cancelled");
  await button("Retry").click();
  const steps = await page.getByLabel("Begin at").locator("option").allInnerTexts();
  assert.ok(steps.length > 2, steps.join());
  await page.getByLabel("Begin at").selectOption(steps.at(-1));
  await stage.inspect("retry", page);
  await inDialog("Retry").click();
  await page.waitForURL((url) => !url.hash.includes(begun.run.id));
  await headStatus("completed");
  await visible(page.getByText("Retry of"));
  await stage.inspect("retried", page);
  await page.getByRole("link", { name: begun.run.id }).click();
  await headStatus("cancelled");
  await visible(page.getByText("Retried by"));
});

test("Long lists are paged by cursor, either way round, and say how long they are", async () => {
  // An hour that is over: the schedule starts nothing by itself meanwhile. The hub has runs of this type, too.
  const from = new Date(Date.now() - 2 * kHourMs);
  from.setUTCMinutes(0, 0, 0);
  const until = new Date(from.getTime() + kHourMs - 1);
  const every = { name: "often", type: "hub.forget-old", input: {}, cron: `* ${from.getUTCHours()} * * *` };
  const { id } = await stage.call("POST", "/v1/schedules", every);
  const backfill = { from: from.toISOString(), until: until.toISOString() };
  const { runs } = await stage.call("POST", `/v1/schedules/${id}/backfill`, backfill);
  assert.equal(runs.length, kRunsOfHour);
  await page.goto(`${stage.hub.url}/#/runs?type=hub.forget-old&triggeredBy=${id}&sort=startedAt`);
  await visible(page.getByText(new RegExp(`^~?${runs.length} runs$`)));
  assert.equal(await rows().count(), 50);
  const first = await rows().first().getAttribute("data-row");
  await button("Next").click();
  await page.waitForURL(/cursor=/);
  await gone(page.locator(`[data-row="${first}"]`));
  assert.equal(await rows().count(), runs.length - 50);
  await page.getByLabel("Order").selectOption("");
  await page.waitForURL((url) => !url.hash.includes("cursor"));
  await visible(page.locator(`[data-row="${runs.at(-1)}"]`));
  await stage.inspect("runs-paged", page);
});

test("Every filter is in the address and narrows the list", async () => {
  await page.goto(`${stage.hub.url}/#/runs`);
  await page.getByLabel("Status").selectOption("cancelled");
  await gone(row("hub.forget-old"));
  assert.equal(await rows().count(), 1);
  await page.getByLabel("Started").selectOption("1h");
  await page.getByLabel("Resource").selectOption("workspace");
  await page.waitForURL(/status=cancelled&since=1h&resourceType=workspace$/);
  assert.equal(await rows().count(), 1);
  await page.getByLabel("Asked by").fill("usr_nobody");
  await page.keyboard.press("Tab");
  await visible(page.getByText("No run fits these filters."));
  await page.reload();
  assert.equal(await page.getByLabel("Asked by").inputValue(), "usr_nobody");
  await page.getByLabel("Started").selectOption("custom");
  await page.getByLabel("From", { exact: true }).fill("2030-01-01T00:00");
  await page.keyboard.press("Tab");
  await page.waitForURL(/since=20(29|30)-/);
  await stage.inspect("runs-filtered", page);
});

test("Up and down go from run to run", async () => {
  await page.goto(`${stage.hub.url}/#/runs?type=workspace.create`);
  await visible(row("workspace.create"));
  await page.locator(".row-link").first().focus();
  await page.keyboard.press("ArrowDown");
  const second = page.locator(".row-link").nth(1);
  assert.equal(await second.evaluate((link) => link === document.activeElement), true);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await visible(heading(page, "workspace.create"));
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

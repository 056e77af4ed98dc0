// The page of one run, and what a real failure looks like on it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { gone, heading, overflow, startStage, visible } from "./browser.mjs";
import { events, kRunId, tellOfRun } from "./made_up_run.mjs";

let stage;
let page;

before(async () => {
  stage = await startStage();
  page = await stage.openSignedIn();
  await tellOfRun(page);
  await page.goto(`${stage.hub.url}/#/runs/${kRunId}`);
  await visible(heading(page, "workspace.create"));
  await visible(page.locator(".log li").nth(events.length - 1)); // the journal comes by itself, after the run
});
after(() => stage?.stop());

const step = (name) => page.locator(`[data-step="${name}"]`);
const button = (name) => page.getByRole("button", { name, exact: true });

test("Attempts, waits and undoing are drawn where they lay", async () => {
  const looks = await step("create-machine")
    .locator(".bar")
    .evaluateAll((bars) => bars.map((bar) => bar.className.replace("bar ", "")));
  assert.deepEqual(looks, ["attempt failed", "wait", "attempt failed", "wait", "attempt done", "undo"]);
  assert.equal(await step("wait").locator(".bar.wait").count(), 1);
  const left = await step("wait")
    .locator(".bar")
    .evaluate((bar) => parseFloat(bar.style.left.match(/[\d.]+/)[0]));
  assert.ok(Math.abs(left - (15_000 / 34_100) * 100) < 0.1, `${left} %`);
});

test("The items of a fan-out unfold", async () => {
  assert.equal(await step("disks[3]").count(), 0, "many items are folded at first");
  await button("Show the 7 items of disks").click();
  await visible(step("disks[3]"));
  await stage.inspect("run-timeline", page);
  await button("Hide the 7 items of disks").click();
  await gone(step("disks[3]"));
});

test("A row opens by the keyboard and tells what is known of its step", async () => {
  await step("validate").locator(".step-button").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const details = step("create-machine").locator(".step-details");
  await visible(details);
  const text = await details.innerText();
  for (const part of ["BACKEND_BUSY", "Attempt 3: 3.0 s", "Undo 1", "vm-7"]) assert.ok(text.includes(part), part);
  await stage.inspect("run-details", page);
  await page.keyboard.press("Enter");
  await gone(details);
});

test("Looked at closer the names stay, and the times fit what is shown", async () => {
  const ticks = () => page.locator(".tick").allInnerTexts();
  const all = await ticks();
  for (let times = 0; times < 3; ++times) await button("Closer").click();
  const closer = await ticks();
  assert.notDeepEqual(closer, all);
  assert.ok(closer.length >= 1 && closer.length <= 7, closer.join());
  assert.equal(await step("announce").locator(".step-button").textContent(), "Pending: announce");
  await button("Earlier").click();
  await button("All of it").click();
  assert.deepEqual(await ticks(), all);
});

test("The log tells the story in order", async () => {
  const lines = await page.locator(".log li").evaluateAll((all) => all.map((line) => line.lastChild.textContent));
  const wanted = ["Begins", "Attempt 1 failed: BACKEND_BUSY: the zone has no room", "booted 40 %", "Undone"];
  assert.deepEqual(
    lines.filter((line) => wanted.includes(line) && line !== "Begins"),
    wanted.slice(1),
  );
  assert.equal(lines.at(-1), "Failed: DISK_FULL: no space is left on the device");
});

test("The journal is filtered by type, in the address", async () => {
  await button("Journal").click();
  assert.equal(await page.locator(".journal li").count(), 16);
  await page.getByLabel("Type").selectOption("attempt_failed");
  await page.waitForURL(/view=journal&event=attempt_failed$/);
  assert.equal(await page.locator(".journal li").count(), 2);
  await page.reload();
  await visible(page.getByText("2 of 16"));
  await stage.inspect("run-journal", page);
});

test("On a narrow screen nothing is cut off", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  assert.equal(await overflow(page), 0);
  await button("Log").click();
  assert.equal(await overflow(page), 0);
  await stage.inspect("run-narrow", page);
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

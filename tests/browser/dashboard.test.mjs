// The dashboard as a person uses it: real hub, real browser. One browser tab goes through the life of a workspace.
//
// Environment: SLIPWAY_BIN (the program), CHROMIUM (default /usr/bin/chromium), SCREENSHOTS (a folder to keep them in;
// default: a temporary one, whose name is printed).

import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

import { startHub } from "./hub.mjs";

const kFlags =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking " +
  "--disable-component-update --disable-sync";
const kPatienceMs = 60_000; // of every wait: generous, because nothing here measures time
const kName = "from-the-page";
const kSchemes = ["light", "dark"];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screenshots = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "slipway-screenshots-"));

let hub;
let browser;
let page;
const complaints = []; // of the browser: uncaught errors, refusals by the content security policy

before(async () => {
  assert.ok(process.env.SLIPWAY_BIN, "SLIPWAY_BIN names the program to test");
  mkdirSync(screenshots, { recursive: true });
  console.log(`# screenshots: ${screenshots}`);
  hub = await startHub(process.env.SLIPWAY_BIN);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: kFlags.split(" "),
  });
  page = await openPage({});
});

after(async () => {
  await browser?.close();
  await hub?.stop();
});

async function openPage(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(kPatienceMs);
  await context.addInitScript(axe); // as a script of the page it would be refused by the policy, rightly
  const opened = await context.newPage();
  opened.on("pageerror", (error) => complaints.push(error.stack));
  opened.on("console", (message) => {
    if (/Content.Security.Policy|Trusted/i.test(message.text())) complaints.push(message.text());
  });
  return opened;
}

// A picture and an accessibility check of what is on the page, in light and in dark.
async function inspect(name, target = page) {
  for (const colorScheme of kSchemes) {
    await target.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await target.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`), fullPage: true });
    const { violations } = await target.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n")}`);
    assert.deepEqual(found, [], `accessibility of ${name}, ${colorScheme}`);
  }
}

const heading = (name) => page.getByRole("heading", { level: 1, name });
const headBadge = (status) => page.locator(`.page-head .badge[data-status=${status}]`);
const dialogButton = (name) => page.getByRole("dialog").getByRole("button", { name });
const row = (name) => page.locator("tbody tr").filter({ hasText: name });
const visible = (locator) => locator.first().waitFor({ state: "visible" });
const gone = (locator) => locator.first().waitFor({ state: "detached" });

test("A wrong key is refused at sign-in with the hub's own words", async () => {
  await page.goto(hub.url);
  await visible(heading("Sign in to Slipway"));
  await page.getByLabel("API key").fill("slk_wrong");
  await page.keyboard.press("Enter");
  const alert = page.getByRole("alert");
  await visible(alert);
  assert.match(await alert.textContent(), /UNAUTHORIZED.*req_/s);
  await inspect("sign-in");
});

test("The hub's link signs in and leaves no key in the address", async () => {
  await page.goto(`${hub.url}/#key=${hub.key}`);
  await visible(heading("Workspaces"));
  await visible(page.getByText("No workspaces yet"));
  assert.ok(!page.url().includes("slk_"), page.url());
  await page.goBack();
  assert.ok(!page.url().includes("key="), page.url());
  await page.goto(`${hub.url}/#/workspaces`);
  await visible(page.locator(".live-live"));
  await inspect("no-workspaces");
});

test("A bad name is explained at its field", async () => {
  await page.getByRole("link", { name: "New workspace" }).first().click();
  await visible(dialogButton("Create workspace"));
  await visible(page.getByRole("radio").first());
  const name = page.getByRole("dialog").getByLabel("Name", { exact: true });
  await name.fill("No Name!");
  await dialogButton("Create workspace").click();
  await visible(page.locator("input[name=name][aria-invalid=true]"));
  assert.equal(await name.evaluate((input) => input === document.activeElement), true, "the field has the focus");
  assert.match(await page.locator(".field-error").textContent(), /VALIDATION_ERROR/);
  await inspect("create-refused");
});

// Collects every status that a step's row had, as a person watching would have seen them.
async function watchSteps() {
  await page.evaluate(() => {
    const seen = (globalThis.seenSteps = {});
    const look = () => {
      for (const step of document.querySelectorAll("[data-step]")) {
        const statuses = (seen[step.dataset.step] ??= []);
        if (statuses.at(-1) !== step.dataset.status) statuses.push(step.dataset.status);
      }
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  });
}

test("A workspace made on the page shows its steps as they happen, and becomes ready", async () => {
  await watchSteps();
  hub.gate.close();
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill(kName);
  await dialogButton("Create workspace").click();
  await visible(heading(kName));
  await visible(page.locator("[data-step=create-machine][data-status=running]"));
  hub.gate.open();
  await visible(headBadge("READY"));
  await visible(page.locator(".current-run .badge[data-status=completed]"));
  const seen = await page.evaluate(() => globalThis.seenSteps);
  assert.ok(Object.keys(seen).length > 1, JSON.stringify(seen));
  const live = Object.values(seen).filter((statuses) => statuses.length > 1 && statuses.at(-1) === "completed");
  assert.ok(live.length > 0, `no step was seen before it was completed: ${JSON.stringify(seen)}`);
  await visible(page.getByText(`slipway ssh ${kName}`));
  await visible(page.locator(".side"));
  await inspect("workspace");
});

test("The run's page shows every step, and the journal that made them", async () => {
  await page.locator(".current-run h2 a").click();
  await visible(heading("workspace.create"));
  await visible(headBadge("completed"));
  await visible(page.locator(".journal li"));
  const steps = await page.locator("[data-step]").evaluateAll((all) => all.map((step) => step.dataset.status));
  assert.ok(steps.length > 1);
  assert.ok(
    steps.every((status) => status === "completed" || status === "skipped"),
    steps.join(),
  );
  const seqs = await page.locator(".journal li").evaluateAll((all) => all.map((item) => Number(item.dataset.seq)));
  assert.deepEqual(
    seqs,
    [...seqs].sort((a, b) => a - b),
  );
  await inspect("run");
});

test("A name that exists is refused at its field, and nothing is made", async () => {
  await page.goto(`${hub.url}/#/workspaces/new`);
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill(kName);
  await dialogButton("Create workspace").click();
  const alert = page.getByRole("dialog").getByRole("alert");
  await visible(alert);
  assert.match(await alert.textContent(), /CONFLICT/);
  await page.keyboard.press("Escape");
  await gone(page.getByRole("dialog"));
  await page.waitForURL(/#\/workspaces$/);
  assert.equal(await page.locator("tbody tr").count(), 1);
});

// HUB-9: what one device changes, another sees.
test("A second tab sees a stop that the first one made, without being told to look", async () => {
  const second = await openPage({});
  await second.goto(`${hub.url}/#key=${hub.key}`);
  await visible(second.locator("tbody .badge[data-status=READY]"));
  await row(kName)
    .getByRole("button", { name: `Stop ${kName}` })
    .click();
  await visible(dialogButton("Stop workspace"));
  await inspect("stop");
  await dialogButton("Stop workspace").click();
  await visible(second.locator("tbody .badge[data-status=SUSPENDED]"));
  await visible(page.locator("tbody .badge[data-status=SUSPENDED]"));
  await second.context().close();
});

test("A stopped workspace starts again, and a tab whose live stream is cut off sees it too", async () => {
  const cutOff = await openPage({});
  await cutOff.route("**/v1/events", (route) => route.abort());
  await cutOff.goto(`${hub.url}/#key=${hub.key}`);
  await visible(cutOff.locator(".live-polling"));
  await visible(cutOff.locator("tbody .badge[data-status=SUSPENDED]"));
  await row(kName)
    .getByRole("button", { name: `Start ${kName}` })
    .click();
  await visible(page.locator("tbody .badge[data-status=READY]"));
  await visible(cutOff.locator("tbody .badge[data-status=READY]"));
  await cutOff.context().close();
  await inspect("workspaces");
});

test("Filters are part of the address and hold over a reload", async () => {
  await page.goto(`${hub.url}/#/runs`);
  await visible(heading("Runs"));
  await visible(row("workspace.create"));
  await page.getByLabel("Type").selectOption("workspace.stop");
  await gone(row("workspace.create"));
  await page.waitForURL(/#\/runs\?type=workspace\.stop$/);
  await page.reload();
  await visible(row("workspace.stop"));
  assert.equal(await page.getByLabel("Type").inputValue(), "workspace.stop");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await inspect("runs");
});

test("Deleting asks for the name, then takes the workspace from the list", async () => {
  await page.goto(`${hub.url}/#/workspaces`);
  await row(kName)
    .getByRole("button", { name: `Delete ${kName}` })
    .click();
  const remove = dialogButton("Delete for ever");
  await visible(remove);
  assert.equal(await remove.isDisabled(), true);
  await inspect("delete");
  await page.getByRole("dialog").getByRole("textbox").fill(kName);
  await remove.click();
  await gone(row(kName));
  await visible(page.getByText("No workspaces yet"));
});

test("Pages about what does not exist say so as the hub does", async () => {
  await page.goto(`${hub.url}/#/runs/run_nothing`);
  const alert = page.getByRole("alert");
  await visible(alert);
  assert.match(await alert.textContent(), /NOT_FOUND|VALIDATION_ERROR/);
  await page.goto(`${hub.url}/#/nowhere`);
  await visible(heading("There is no such page"));
  await inspect("nowhere");
});

test("A narrow screen shows everything without scrolling sideways", async () => {
  const phone = await openPage({ viewport: { width: 360, height: 740 } });
  await phone.goto(`${hub.url}/#key=${hub.key}`);
  await visible(phone.locator("h1"));
  for (const target of ["#/workspaces", "#/runs"]) {
    await phone.goto(hub.url + "/" + target);
    await visible(phone.locator("h1"));
    const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${target} is ${overflow} px too wide`);
  }
  await phone.locator(".row-link").first().click();
  await visible(phone.locator("[data-step]"));
  const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the run's page is ${overflow} px too wide`);
  await inspect("narrow", phone);
  await phone.context().close();
});

test("Signing out forgets the key", async () => {
  await page.goto(`${hub.url}/#/workspaces`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await visible(heading("Sign in to Slipway"));
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test("The browser had nothing to complain about", () => assert.deepEqual(complaints, []));

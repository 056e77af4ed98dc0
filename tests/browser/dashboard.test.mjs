// The dashboard as a person uses it. One browser tab goes through the life of a workspace.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { gone, heading as headingOf, overflow, startStage, visible } from "./browser.mjs";

const kName = "from-the-page";

let stage;
let hub;
let page;

before(async () => {
  stage = await startStage();
  hub = stage.hub;
  page = await stage.openPage();
});
after(() => stage?.stop());

const openPage = (options) => stage.openPage(options);
const inspect = (name, target = page) => stage.inspect(name, target);
const heading = (name) => headingOf(page, name);
const headBadge = (status) => page.locator(`.page-head .badge[data-status=${status}]`);
const dialogButton = (name) => page.getByRole("dialog").getByRole("button", { name });
const row = (name) => page.locator("tbody tr").filter({ hasText: name });

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
  const steps = await page.locator("[data-step]").evaluateAll((all) => all.map((step) => step.dataset.status));
  assert.ok(steps.length > 1);
  assert.ok(
    steps.every((status) => status === "completed" || status === "skipped"),
    steps.join(),
  );
  await page.getByRole("button", { name: "Journal" }).click();
  await visible(page.locator(".journal li"));
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
  await visible(row(kName)); // the list came by itself, beside the form
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
    assert.equal(await overflow(phone), 0, `${target} is too wide`);
  }
  await phone.locator(".row-link").first().click();
  await visible(phone.locator("[data-step]"));
  assert.equal(await overflow(phone), 0, "the run's page is too wide");
  await inspect("narrow", phone);
  await phone.context().close();
});

test("A link opened in a new tab needs no signing in, and signing out is for all tabs", async () => {
  await page.goto(`${hub.url}/#/runs`);
  await visible(heading("Runs"));
  const tab = await page.context().newPage();
  await tab.goto(`${hub.url}/#/workspaces`);
  await visible(headingOf(tab, "Workspaces"));
  await page.getByRole("button", { name: "Sign out" }).click();
  await visible(headingOf(tab, "Sign in to Slipway"));
  await tab.close();
  await page.goto(`${hub.url}/#key=${hub.key}`);
  await visible(heading("Workspaces"));
});

test("Signing out forgets the key", async () => {
  await page.goto(`${hub.url}/#/workspaces`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await visible(heading("Sign in to Slipway"));
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

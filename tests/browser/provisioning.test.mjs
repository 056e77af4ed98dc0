// Workstations as they are: the dashboard on a hub that works with a simulated cloud.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { gone, heading, overflow, startStage, visible } from "./browser.mjs";
import { startCloud } from "./cloud.mjs";

// WP-1 to WP-9
const kSteps = ["receive", "determine-config", "create-record", "create-workstation", "wait-until-running"];
kSteps.push("update-record", "send-email", "publish-event");
const kTimeScale = 0.05; // a machine that starts in half a minute starts in a second or two
const kClusterSeconds = 20 * 60;

let cloud;
let stage;
let page;
let id; // of the workstation that is made first
let messageId; // of the one that is refused

before(async () => {
  cloud = await startCloud(process.env.SLIPWAY_BIN, { timeScale: kTimeScale });
  stage = await startStage({ options: ["--cloud", cloud.writeConfig()] });
  page = await stage.openSignedIn();
});
after(async () => {
  await stage?.stop();
  await cloud?.stop();
});

const go = (name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();
const row = (text) => page.locator("tbody tr").filter({ hasText: text });
const message = () =>
  page.locator("tbody tr").filter({ has: page.getByRole("link", { name: messageId, exact: true }) });
const button = (name) => page.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const inDialog = (name) => dialog().getByRole("button", { name, exact: true });
const headStatus = (status) => visible(page.locator(`.page-head .badge[data-status=${status}]`));

async function order({ user, tier }) {
  await page.goto(`${stage.hub.url}/#/workstations/new`);
  await visible(dialog().getByRole("radio"));
  await dialog().getByLabel("User").fill(user);
  await dialog().getByLabel("Organization").fill("acme");
  await dialog().getByLabel("E-mail").fill(`${user}@acme.example`);
  await dialog()
    .getByRole("radio", { name: new RegExp(tier, "i") })
    .check();
  await inDialog("Provision workstation").click();
}

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

test("Where the hub works with a cloud, the way to it is offered", async () => {
  const links = page.getByRole("navigation", { name: "Main" });
  for (const name of ["Workstations", "Tiers", "Organizations", "Messages"])
    await visible(links.getByRole("link", { name, exact: true }));
});

test("What is wrong with an order is told at its field", async () => {
  await order({ user: "not an id", tier: "starter" });
  await visible(page.locator("input[name=userId][aria-invalid=true]"));
  assert.match(await page.locator(".field-error").innerText(), /VALIDATION_ERROR/);
});

test("An order from the page shows its ten steps as they happen, and a workstation that runs", async () => {
  await watchSteps();
  await cloud.hideStates(); // until it is seen that the steps are shown, no machine is known to run
  await order({ user: "ada", tier: "starter" });
  await page.waitForURL(/workstations\/ws-ada-[a-z0-9]+/);
  await visible(page.locator("[data-step=wait-until-running]:is([data-status=running], [data-status=waiting])"));
  await stage.inspect("provisioning", page);
  await cloud.showStates();
  await headStatus("running");
  await visible(page.locator(".current-run .badge[data-status=completed]"));
  const seen = await page.evaluate(() => globalThis.seenSteps);
  const steps = Object.keys(seen);
  for (const step of kSteps) assert.ok(steps.includes(step), `${step} was shown`);
  const live = steps.filter((step) => seen[step].length > 1 && seen[step].at(-1) === "completed");
  assert.ok(live.length > 2, `steps were seen before they were completed: ${JSON.stringify(seen)}`);
  id = await page.locator("h1").innerText();
  assert.match(await page.getByRole("link", { name: "Launch" }).getAttribute("href"), /^https:\/\//);
  await visible(page.getByText(`workstationConfigs/starter/workstations/${id}`));
  await visible(row("workstation.provision")); // the audit, and the run
  await stage.inspect("provisioned", page);
});

// WP-8
test("The mail reads well in light and dark, fetches nothing, and its button launches the workstation", async () => {
  const launch = await page.getByRole("link", { name: "Launch" }).getAttribute("href");
  const reader = await stage.openPage({ viewport: { width: 720, height: 900 } });
  const fetched = [];
  reader.on("request", (request) => fetched.push(request.url()));
  await reader.goto("about:blank");
  await reader.setContent(cloud.mailTo("ada@acme.example"));
  await stage.inspect("mail", reader);
  assert.equal(await reader.getByRole("link", { name: "Launch Workstation" }).getAttribute("href"), launch);
  for (const part of ["2", "4 GB", "50 GB", id]) await visible(reader.getByText(part, { exact: true }));
  await reader.setViewportSize({ width: 360, height: 740 });
  assert.equal(await overflow(reader), 0);
  await stage.inspect("mail-narrow", reader);
  assert.deepEqual(fetched, []);
  await reader.context().close();
});

test("Who is no admin sees only their own, and is offered what they may do", async () => {
  const { key, user_id: userId } = await stage.call("POST", "/v1/api-keys", { name: "somebody" });
  const order = { userId, organizationId: "acme", tier: "starter", userEmail: "somebody@acme.example" };
  const { workstationId } = await stage.call("POST", "/v1/workstations", order);
  const other = await stage.openPage();
  await other.goto(`${stage.hub.url}/#key=${key}`);
  await other.getByRole("link", { name: "Workstations" }).click();
  await visible(other.getByRole("link", { name: workstationId }));
  assert.equal(await other.locator("tbody tr").count(), 1);
  assert.equal(await other.getByRole("button", { name: /^Delete/ }).count(), 0);
  assert.equal(await other.getByRole("link", { name: "New workstation" }).count(), 0);
  await visible(other.getByRole("button", { name: `Stop ${workstationId}` }));
  await other.getByRole("link", { name: workstationId, exact: true }).click();
  await visible(heading(other, workstationId));
  await visible(other.getByText("Machine type"));
  assert.equal(await other.getByRole("alert").count(), 0);
  assert.equal(await other.getByRole("heading", { name: "Audit" }).count(), 0);
  await other.context().close();
});

// WP-11
test("What the cloud has no room for is seen waiting, with an alert, and goes on when there is room", async () => {
  await cloud.quotas({ workstations_per_project: 2 });
  await go("Workstations");
  await visible(page.locator(".live-live"));
  await cloud.publish({ user_id: "bob", org_id: "acme", tier: "business", user_email: "bob@acme.example" });
  const bob = row("ws-bob-");
  await visible(bob.locator("[data-status=waiting]"));
  await visible(bob.getByText(/next try in/));
  await stage.inspect("quota-list", page);
  await visible(page.getByRole("link", { name: /Alerts \d open/ }));
  await bob.getByRole("link", { name: /^ws-bob-/ }).click();
  await headStatus("waiting");
  await visible(page.getByText("nothing is lost"));
  await visible(page.locator("[data-alert]").getByText("workstation.quota"));
  await stage.inspect("quota", page);
  await page.getByRole("link", { name: "All that wait" }).click();
  await visible(row("ws-bob-"));
  assert.equal(await page.locator("tbody tr").count(), 1);
  await cloud.quotas({});
});

test("A workstation is stopped, and started again", async () => {
  await page.goto(`${stage.hub.url}/#/workstations/${id}`);
  await button("Stop").click();
  await inDialog("Stop").click();
  await headStatus("stopped");
  await button("Start").click();
  await headStatus("running");
});

test("Tiers count what there is", async () => {
  await go("Tiers");
  await visible(row("e2-medium").getByText("2 running"));
  await row("e2-medium").getByRole("link", { name: "2 running" }).click();
  await visible(row(id));
});

// WP-1
test("A message that could not work is told with its reason, and raises an alert", async () => {
  messageId = await cloud.publish({ user_id: "eve", org_id: "acme", tier: "gold", user_email: "eve@acme.example" });
  await go("Messages");
  await visible(message().getByText("Refused"));
  await stage.inspect("refused-messages", page);
  await go("Alerts");
  const alert = page.locator("[data-alert]").filter({ hasText: "message.refused" });
  await visible(alert);
  await button("Acknowledge message.refused").click();
  await dialog().getByLabel(/^Note/).fill("a typo in the shop");
  await inDialog("Acknowledge").click();
  await visible(alert.getByText("“a typo in the shop”"));
  await stage.inspect("refused-alert", page);
  await button("Resolve message.refused").click();
  await inDialog("Resolve").click();
  await gone(alert);
});

test("A refused message makes a workstation when it is replayed corrected", async () => {
  await go("Messages");
  await message().getByRole("link").first().click();
  await visible(heading(page, messageId));
  await stage.inspect("refused-message", page);
  await button("Replay").click();
  await inDialog("Replay").click();
  await visible(page.locator("textarea[aria-invalid=true]"));
  const body = dialog().getByLabel("Body");
  await body.fill((await body.inputValue()).replace("gold", "starter"));
  await inDialog("Replay").click();
  await visible(heading(page, "workstation.provision"));
  await headStatus("completed");
  await go("Messages");
  await visible(message().getByText("after a replay"));
});

test("An organization is set up with a cluster of its own", async () => {
  await go("Organizations");
  await visible(row("acme"));
  await button("Set up an organization").click();
  await dialog().getByLabel("Organization").fill("globex");
  await inDialog("Set up").click();
  await visible(heading(page, "workstation.setup"));
  await visible(page.locator("[data-step=wait-for-cluster]:is([data-status=running], [data-status=waiting])"));
  await cloud.skip(kClusterSeconds * kTimeScale);
  await headStatus("completed");
  await go("Organizations");
  await visible(row("globex").getByText("slipway-globex"));
  await stage.inspect("organizations-real", page);
});

test("A workstation is deleted, and its page says so", async () => {
  await page.goto(`${stage.hub.url}/#/workstations/${id}`);
  await button("Delete").click();
  await dialog().getByRole("textbox").fill(id);
  await inDialog("Delete for ever").click();
  await headStatus("deleted");
  await stage.inspect("deleted", page);
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

// Workstations, tiers, organizations, alerts, messages and the audit, as they are told of a made-up cloud: every status
// at one time. What a real hub tells of a simulated cloud: provisioning.test.mjs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { gone, heading, overflow, startStage, visible } from "./browser.mjs";
import { alerts, audit, messages, tellOfCloud, workstations } from "./made_up_cloud.mjs";

let stage;
let page;
let sent; // what the page asked the hub to do: [method, path, body]

before(async () => {
  stage = await startStage();
  page = await stage.openSignedIn();
  sent = await tellOfCloud(page);
  await page.reload();
});
after(() => stage?.stop());

const [creating, waiting, running, , stopped, failed] = workstations;
const go = (name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();
const row = (id) => page.locator(`[data-row="${id}"]`);
const button = (name) => page.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const inDialog = (name) => dialog().getByRole("button", { name, exact: true });
const lastSent = () => sent.at(-1);

test("The list tells of each workstation how far it is, what it waits for, or why it failed", async () => {
  await go("Workstations");
  await visible(heading(page, "Workstations"));
  await visible(row(creating.id).getByText("wait-until-running"));
  await visible(row(creating.id).getByRole("progressbar"));
  await visible(row(waiting.id).getByText(/next try in 1\d min/)); // each run is asked for by itself
  assert.match(await row(waiting.id).innerText(), /Waiting for quota\s+next try in 1\d min/);
  assert.match(await row(failed.id).innerText(), /Failed\s+Permission 'workstations/);
  await visible(row(running.id).locator("[data-status=running].tone-good"));
  await stage.inspect("workstations", page);
});

test("What a row offers depends on its status", async () => {
  const offers = (id) =>
    row(id)
      .locator(".row-actions > *")
      .evaluateAll((all) => all.map((one) => one.getAttribute("aria-label").replace(/ ?ws-.*/, "")));
  await visible(page.getByRole("button", { name: `Delete ${running.id}` })); // it is known who asks: an admin
  assert.deepEqual(await offers(running.id), ["Launch", "Stop", "Change tier of", "Delete"]);
  assert.deepEqual(await offers(stopped.id), ["Start", "Change tier of", "Delete"]);
  assert.deepEqual(await offers(creating.id), ["Delete"]);
  const launch = row(running.id).getByRole("link", { name: "Launch" });
  assert.equal(await launch.getAttribute("href"), running.launchUrl);
  assert.equal(await launch.getAttribute("rel"), "noopener noreferrer");
});

test("Every filter is in the address, also what waits for quota", async () => {
  await page.getByLabel("Status").selectOption("waiting");
  await page.waitForURL(/status=waiting$/);
  await gone(row(running.id));
  await visible(row(waiting.id));
  await page.getByLabel("Organization").fill("nobody");
  await page.keyboard.press("Tab");
  await visible(page.getByText("No workstation fits these filters"));
  await page.reload();
  assert.equal(await page.getByLabel("Organization").inputValue(), "nobody");
  await page.getByRole("link", { name: "Show all" }).click();
  await visible(row(running.id));
});

test("Many are chosen, and what is asked for is done to those that it fits", async () => {
  await page.getByLabel("Select all that are shown").check();
  await visible(page.getByText(`${workstations.length} selected`));
  await stage.inspect("workstations-chosen", page);
  await button("Stop 2").click();
  await inDialog("Stop").click();
  await gone(dialog());
  const stops = sent.filter(([, path]) => path.endsWith("/stop"));
  assert.equal(stops.length, 2);
  await gone(page.getByText("selected"));
});

test("A workstation is deleted only by who types its id", async () => {
  await page.getByRole("button", { name: `Delete ${stopped.id}` }).click();
  assert.equal(await inDialog("Delete for ever").isDisabled(), true);
  await dialog().getByRole("textbox").fill(stopped.id);
  await inDialog("Delete for ever").click();
  await gone(dialog());
  assert.deepEqual(lastSent().slice(0, 2), ["DELETE", `/v1/workstations/${stopped.id}`]);
});

test("Another tier is chosen among cards that tell what each is", async () => {
  await page.getByRole("button", { name: `Change tier of ${running.id}` }).click();
  assert.equal(await inDialog("Change tier").isDisabled(), true);
  assert.equal(
    await dialog()
      .getByRole("radio", { name: /Starter/i })
      .isDisabled(),
    true,
    "its disk is smaller",
  );
  await dialog()
    .getByRole("radio", { name: /Business/i })
    .check();
  await stage.inspect("change-tier", page);
  await inDialog("Change tier").click();
  await gone(dialog());
  assert.deepEqual(lastSent(), ["PATCH", `/v1/workstations/${running.id}`, { tier: "business" }]);
});

test("The form is told at its field what is wrong, and leads to what it began", async () => {
  await page.getByRole("link", { name: "New workstation" }).click();
  await page.waitForURL(/workstations\/new$/);
  await visible(dialog().getByRole("radio"));
  await dialog().getByLabel("User").fill("user_anna");
  await dialog().getByLabel("Organization").fill("acme");
  await dialog().getByLabel("E-mail").fill("anna");
  await dialog()
    .getByRole("radio", { name: /professional/i })
    .check();
  await inDialog("Provision workstation").click();
  await visible(page.locator("input[name=userEmail][aria-invalid=true]"));
  await stage.inspect("provision-refused", page);
  await dialog().getByLabel("E-mail").fill("anna@acme.example");
  await page.keyboard.press("Enter");
  await visible(heading(page, creating.id));
  const order = { userId: "user_anna", userEmail: "anna@acme.example", organizationId: "acme", tier: "professional" };
  assert.deepEqual(lastSent(), ["POST", "/v1/workstations", order]);
});

test("The page of one shows its steps, its machine, and what it waits for", async () => {
  await visible(page.locator("[data-step=wait-until-running][data-status=waiting]"));
  assert.equal(await page.locator("[data-step][data-status=pending]").count(), 3);
  await stage.inspect("workstation-creating", page);
  await page.goto(`${stage.hub.url}/#/workstations/${waiting.id}`);
  await visible(page.getByText("nothing is lost"));
  // What was met and when it is tried again are told by the run, which is asked for once the workstation is known.
  await visible(page.locator(".note-wait").getByText(/N2_CPUS.*Next try in 1\d min.*For acme/));
  await visible(page.locator("[data-alert]"));
  await stage.inspect("workstation-waiting", page);
});

test("A running one is launched, and tells where it is in the cloud", async () => {
  await page.goto(`${stage.hub.url}/#/workstations/${running.id}`);
  await visible(heading(page, running.id));
  assert.equal(await page.getByRole("link", { name: "Launch" }).getAttribute("href"), running.launchUrl);
  await visible(page.getByText(running.gcpWorkstationId));
  await visible(page.getByText("Machine type"));
  await stage.inspect("workstation", page);
});

test("Tiers count their workstations by status, and lead to them", async () => {
  await go("Tiers");
  await visible(row("starter"));
  assert.match(
    await row("starter").innerText(),
    /e2-medium[\s\S]*\$25[\s\S]*1 creating[\s\S]*1 stopped[\s\S]*1 failed/,
  );
  await stage.inspect("tiers", page);
  await row("starter").getByRole("link", { name: "1 failed" }).click();
  await page.waitForURL(/workstations\?tier=starter&status=failed$/);
  await visible(row(failed.id));
  assert.equal(await page.locator("tbody tr").count(), 1);
});

test("An organization gets its own network", async () => {
  await go("Organizations");
  await visible(row("acme").getByText("acme-isolated"));
  await stage.inspect("organizations", page);
  await button("Edit globex").click();
  await dialog().getByLabel("Cluster").fill("globex");
  await stage.inspect("organization", page);
  await inDialog("Save").click();
  await gone(dialog());
  assert.deepEqual(lastSent(), ["PUT", "/v1/organizations/globex", { cluster: "globex" }]);
});

test("A new organization is set up, and what is made can be watched", async () => {
  await button("Set up an organization").click();
  await dialog().getByLabel("Organization").fill("initech");
  await dialog().getByLabel("Network", { exact: true }).fill("projects/p/global/networks/initech");
  await stage.inspect("set-up", page);
  await inDialog("Set up").click();
  await visible(heading(page, "workstation.provision"));
  const asked = { organizationId: "initech", network: "projects/p/global/networks/initech" };
  assert.deepEqual(lastSent(), ["POST", "/v1/workstations/setup", asked]);
});

test("Open alerts are counted in the navigation, and acknowledged with a note", async () => {
  await visible(page.getByRole("link", { name: "Alerts 1 open" }));
  await go("Alerts");
  await visible(page.locator("[data-alert]"));
  const shown = await page.locator("[data-alert]").evaluateAll((all) => all.map((one) => one.dataset.alert));
  assert.deepEqual(
    shown,
    alerts.map(({ id }) => id),
  );
  await page.getByText("Details").first().click();
  await visible(page.getByText("workstations.workstations.create", { exact: true }));
  await stage.inspect("alerts", page);
  await button("Acknowledge workstation.failed").click();
  await dialog().getByLabel(/^Note/).fill("on it");
  await inDialog("Acknowledge").click();
  await gone(dialog());
  assert.deepEqual(lastSent(), ["POST", `/v1/alerts/${alerts[0].id}/acknowledge`, { note: "on it" }]);
});

test("A refused message says why, and is replayed corrected", async () => {
  await go("Messages");
  await visible(row(messages[0].id).getByText("Unknown tier"));
  await stage.inspect("messages", page);
  await row(messages[0].id).getByRole("link").click();
  await visible(heading(page, messages[0].messageId));
  await stage.inspect("message", page);
  await button("Replay").click();
  await inDialog("Replay").click();
  await visible(page.locator("textarea[aria-invalid=true]"));
  const body = dialog().getByLabel("Body");
  await body.fill((await body.inputValue()).replace("profesional", "professional"));
  await stage.inspect("replay", page);
  await inDialog("Replay").click();
  await visible(heading(page, "workstation.provision"));
  assert.equal(lastSent()[2].data.tier, "professional");
});

test("The audit is filtered, and an entry tells all that was written", async () => {
  await go("Audit");
  await visible(row("5"));
  await row("5").getByText("Entry 5").click();
  await visible(row("5").getByText(audit[0].hash));
  await stage.inspect("audit", page);
  await page.getByLabel("Outcome").selectOption("denied");
  await page.waitForURL(/audit\?outcome=denied$/);
  await gone(row("5"));
  await visible(row("3"));
});

test("A broken audit is told with the entry that was changed", async () => {
  await button("Verify").click();
  await visible(page.getByText("Entry 4: its hash does not fit what it says."));
  await visible(page.getByText("4 entries were checked."));
  await stage.inspect("audit-broken", page);
});

test("Narrow screens show all of it without scrolling sideways", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  const targets = { Workstations: "workstations", Tiers: "tiers", Organizations: "organizations", Alerts: "alerts" };
  Object.assign(targets, { Messages: "messages", Audit: "audit", [waiting.id]: `workstations/${waiting.id}` });
  for (const [title, target] of Object.entries(targets)) {
    await page.goto(`${stage.hub.url}/#/${target}`);
    await visible(heading(page, title));
    await visible(page.locator("table, [data-alert]"));
    assert.equal(await overflow(page), 0, `${title} is too wide`);
    await stage.inspect(`${target.split("/")[0]}${target.includes("/") ? "-one" : ""}-narrow`, page);
  }
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

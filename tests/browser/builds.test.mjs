// Templates, the form of their parameters, builds, jobs, daemons and quotas, as they are told of made-up ones: every
// state at one time. What a real hub tells: templates.test.mjs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { gone, heading, overflow, startStage, visible } from "./browser.mjs";
import { builds, kImportJob, kShortLogLines, madeUpLog, tellOfBuilds, workspace } from "./made_up_builds.mjs";

const [pending, running, failed, succeeded] = builds;
const kLongLog = 100_000;

let stage;
let page;
let sent; // what the page asked the hub to do: [method, path, body]

before(async () => {
  stage = await startStage();
  page = await stage.openSignedIn();
  sent = await tellOfBuilds(page, { [succeeded.jobId]: madeUpLog(kLongLog) });
  await page.reload();
});
after(() => stage?.stop());

const go = (name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
const open = (target) => page.goto(`${stage.hub.url}/#/${target}`);
const row = (id) => page.locator(`[data-row="${id}"]`);
const button = (name) => page.getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("link", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const inDialog = (name) => dialog().getByRole("button", { name, exact: true });
const field = (name) => page.locator(`[data-parameter="${name}"]`);
const log = () => page.locator(".job-log");
const lastSent = () => sent.findLast(([, path]) => path !== "/v1/quota/check");
const shownLines = () => log().locator("li").count();

test("The list of templates offers a workspace of those that are ready for it", async () => {
  await go("Templates");
  await visible(row("devbox").getByText("v2"));
  await visible(row("legacy").getByText("Deprecated"));
  assert.equal(await link("New workspace from devbox").count(), 1);
  assert.equal(await link("New workspace from legacy").count(), 0);
  assert.equal(await link("New workspace from new-one").count(), 0);
  await stage.inspect("templates", page);
});

test("A template's README makes elements and text, and links to nothing but the web", async () => {
  await row("devbox").getByRole("link", { name: "Development machine" }).click();
  const readme = page.locator(".markdown");
  await visible(readme.getByRole("heading", { name: "Development machine" }));
  const links = await readme.getByRole("link").evaluateAll((all) => all.map(({ href, rel }) => [href, rel]));
  assert.deepEqual(links, [["https://handbook.example/dev", "noopener noreferrer nofollow"]]);
  assert.equal(await readme.locator("img").count(), 0);
  await visible(readme.getByText("<img src=x onerror=alert(1)>"));
  assert.equal(await readme.locator("tbody tr").count(), 2);
  await visible(page.getByText("15 credits a day while it runs, 3 credits a day while it is stopped"));
  await stage.inspect("template", page);
});

test("A version that failed says why, and an older one can be made the active one again", async () => {
  await visible(row("v3").getByText("REQUIRED_TEMPLATE_VARIABLES"));
  assert.equal(await button("Roll back to v3").count(), 0);
  await button("Roll back to v1").click();
  await visible(page.getByText("v1 is active"));
  assert.deepEqual(lastSent(), ["PATCH", "/v1/templates/devbox", { activeVersion: "v1" }]);
  await row("v4").getByRole("link", { name: "v4" }).click();
  await visible(page.getByText("Version v4 is being imported."));
  await stage.inspect("template-importing", page);
});

test("A template is deprecated only with a reason", async () => {
  await button("Deprecate").click();
  assert.ok(await inDialog("Deprecate").isDisabled());
  await page.getByLabel("Why, and what to use instead").fill("use the other");
  await inDialog("Deprecate").click();
  await gone(dialog());
  assert.deepEqual(lastSent(), ["PATCH", "/v1/templates/devbox", { deprecated: "use the other" }]);
});

// RUN-24
test("Parameters make the form of a new workspace, each by its type", async () => {
  await open("templates/devbox/new");
  await visible(heading(page, "New workspace: Development machine"));
  const control = (name, selector) => field(name).locator(selector);
  assert.equal(await control("size", "input[type=radio]").count(), 2);
  assert.equal(await control("region", "select option").count(), 7);
  assert.equal(await control("disk_gb", "input").getAttribute("max"), "500");
  assert.ok(await control("docker", "input[type=checkbox]").isChecked());
  assert.equal(await control("tools", "input[type=checkbox]:checked").count(), 1);
  assert.equal(await control("token", "input").getAttribute("type"), "password");
  await visible(field("region").getByText("required"));
  await visible(page.getByText("All workspaces together then take 57 credits of 100 a day."));
  await stage.inspect("new-workspace", page);
});

test("What the hub finds wrong is shown at its field", async () => {
  await page.getByLabel("Name", { exact: true }).fill("phoenix");
  await field("repository").locator("input").fill("ftp://somewhere");
  await button("Create workspace").click();
  await visible(field("repository").getByRole("alert").getByText("must begin with https://"));
  assert.equal(await field("repository").locator("input").getAttribute("aria-invalid"), "true");
  await stage.inspect("new-workspace-error", page);
  await field("repository").locator("input").fill("https://git.example/phoenix");
  await button("Create workspace").click();
  await visible(field("region").getByRole("alert"));
});

test("Sent is what was chosen, as text, and the build's page follows", async () => {
  await field("size").getByText("Large").click();
  await field("region").locator("select").selectOption("paris");
  await field("tools").getByText("Go", { exact: true }).click();
  await field("hosts").locator("textarea").fill("a.example\nb.example\n");
  await field("docker").locator("input").uncheck();
  await field("token").locator("input").fill("hush");
  await button("Create workspace").click();
  await visible(heading(page, "Start phoenix"));
  assert.deepEqual(lastSent(), [
    "POST",
    "/v1/workspaces",
    {
      name: "phoenix",
      from_template: "devbox",
      template_version: "v2",
      parameters: {
        size: "large",
        region: "paris",
        disk_gb: "20",
        repository: "https://git.example/phoenix",
        docker: "false",
        tools: '["git","go"]',
        hosts: '["a.example","b.example"]',
        token: "hush",
      },
    },
  ]);
});

test("A change shows what cannot be changed as locked, and sends only what differs", async () => {
  await open(`workspaces/${workspace.id}/change`);
  await visible(heading(page, "Change phoenix"));
  assert.ok(await field("region").locator("select").isDisabled());
  await visible(field("region").getByText("locked"));
  await visible(page.locator(".quota-note.tone-bad").getByText("more than the budget"));
  await stage.inspect("change-workspace", page);
  await field("disk_gb").locator("input").fill("60");
  await button("Build with these").click();
  await visible(heading(page, "Start phoenix"));
  assert.deepEqual(lastSent(), [
    "POST",
    `/v1/workspaces/${workspace.id}/start`,
    { template_version: "v2", parameters: { disk_gb: "60" } },
  ]);
});

test("A workspace shows its builds, and offers what a built one can", async () => {
  await open(`workspaces/${workspace.id}`);
  await visible(row(failed.id).getByText("APPLY_FAILED"));
  await visible(link("Change"));
  assert.match(await link("Update to v2").getAttribute("href"), /change\?version=v2$/);
  assert.equal(await link("Open terminal").count(), 0);
  await stage.inspect("built-workspace", page);
  await row(failed.id).getByRole("link", { name: "Start (3)" }).click();
  await visible(heading(page, "Start phoenix"));
});

test("A build that failed shows why, in which stage, and what it had made", async () => {
  await visible(page.getByRole("alert").getByText("no room in frankfurt-a"));
  await visible(log().locator("[data-stage='Starting workspace'][data-status=failed]"));
  await visible(log().locator("[data-stage='Setting up'][data-status=completed]"));
  await log().evaluate((element) => (element.scrollTop = 0));
  await visible(page.getByRole("table", { name: "Resources" }).getByText("module.machine.cloud_instance.dev"));
  await visible(page.getByText("4,321 lines left out"));
  await stage.inspect("build-failed", page);
});

test("A build that waits says for what, and how many are ahead of it", async () => {
  await open(`builds/${pending.id}`);
  await visible(page.getByText("no daemon has the tag zone=mars"));
  await visible(page.getByText("3 jobs are ahead of it"));
  await visible(row("laptop").getByText("has only scripted"));
  await stage.inspect("build-pending", page);
});

test("A build at work is followed, until one scrolls up, and can be cancelled", async () => {
  await open(`builds/${running.id}`);
  await visible(log().locator("[data-status=running]"));
  await visible(log().locator(`[data-line="${kShortLogLines - 1}"]`)); // there is enough of it to scroll
  await visible(page.getByText("Following"));
  await log().hover();
  await page.mouse.wheel(0, -400);
  await visible(button("Follow"));
  await stage.inspect("build-running", page);
  await button("Follow").click();
  await gone(button("Follow"));
  await button("Cancel build").click();
  await inDialog("Cancel build").click();
  await gone(dialog());
  assert.deepEqual(lastSent(), ["POST", `/v1/builds/${running.id}/cancel`, {}]);
});

test("Of a hundred thousand lines only those near what is looked at are in the document", async () => {
  await open(`builds/${succeeded.id}`);
  await visible(page.getByText("100,000 lines", { exact: true }));
  await visible(log().locator(`[data-line="${kLongLog - 1}"]`));
  assert.ok((await shownLines()) < 3_000, `${await shownLines()} lines`);
  await log().evaluate((element) => (element.scrollTop = 0));
  await visible(log().locator('[data-line="0"]'));
  await gone(log().locator(`[data-line="${kLongLog - 1}"]`));
  assert.ok((await shownLines()) < 3_000, `${await shownLines()} lines`);
  await log().evaluate((element) => (element.scrollTop = element.scrollHeight / 2));
  await visible(log().locator("li").first());
  await stage.inspect("build-long", page);
  await log()
    .getByRole("button", { name: /Setting up/ })
    .click();
  await gone(log().locator('[data-line="0"]'));
});

test("An import's job shows its log, and what it found", async () => {
  await open(`jobs/${kImportJob}`);
  await visible(heading(page, "Template import"));
  await visible(page.getByRole("table", { name: "While it runs" }));
  await stage.inspect("job", page);
});

test("The queue explains each job that waits", async () => {
  await go("Jobs");
  await visible(row(pending.jobId).getByText("no daemon has the tag"));
  await visible(row(pending.jobId).getByText("3 ahead of it"));
  await stage.inspect("jobs", page);
  await page.getByLabel("Status").selectOption("running");
  await page.waitForURL(/status=running$/);
  await gone(row(pending.jobId));
});

test("Daemons are listed, and a key is shown once", async () => {
  await go("Daemons");
  await visible(row("dmn_oregon").locator("[data-status=draining]"));
  await visible(row("dmn_frankfurt").getByText("4 of 4"));
  await stage.inspect("daemons", page);
  await button("New key").click();
  await page.getByLabel("Name").fill("office");
  await page.getByLabel("Tags").fill("zone=eu, gpu");
  await inDialog("Make key").click();
  await visible(dialog().getByText("sld_onlyonce"));
  assert.deepEqual(lastSent(), ["POST", "/v1/daemon-keys", { name: "office", tags: { zone: "eu", gpu: "" } }]);
  await inDialog("I have kept it").click();
  await gone(dialog());
  assert.ok(!(await page.locator("body").innerText()).includes("sld_onlyonce"));
});

test("The quota tells what is taken by which workspace, and admins edit groups", async () => {
  await go("Quota");
  await visible(page.getByText("The budget comes from: everyone, builders."));
  await visible(row(workspace.id).getByText("39 credits a day"));
  await stage.inspect("quota", page);
  await button("Edit builders").click();
  await page.getByLabel("Budget a day, for each member").fill("75");
  await stage.inspect("group", page);
  await inDialog("Save").click();
  await gone(dialog());
  const members = ["usr_01JGMADEUPMADEUPMADEUPMA01"];
  assert.deepEqual(lastSent(), ["PUT", "/v1/groups/builders", { dailyBudget: 75, members }]);
});

test("Narrow screens show these pages without scrolling sideways", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  const targets = {
    templates: "Templates",
    "templates/devbox": "Development machine",
    "templates/devbox/new": "New workspace: Development machine",
    [`workspaces/${workspace.id}`]: "phoenix",
    [`builds/${failed.id}`]: "Start phoenix",
    [`builds/${pending.id}`]: "Start phoenix",
    jobs: "Jobs",
    daemons: "Daemons",
    quota: "Quota",
  };
  for (const [target, title] of Object.entries(targets)) {
    await open(target);
    await visible(heading(page, title));
    await visible(page.locator("table, form"));
    assert.equal(await overflow(page), 0, `${target} is too wide`);
    await stage.inspect(`${target.replaceAll("/", "-")}-narrow`, page);
  }
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

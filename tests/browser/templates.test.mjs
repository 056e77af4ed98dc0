// From a template to a workspace and away again, on a real hub with a real daemon: the provisioner is a script, so that
// a build takes as long as a test wants.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { gone, heading, startStage, visible } from "./browser.mjs";

const kManifest = `
display_name = "Small machine"
description = "Made by a script"
provisioner = "scripted"

[[parameters]]
name = "seconds"
display_name = "Seconds that it takes"
type = "number"
default = 0
minimum = 0
maximum = 900

[[parameters]]
name = "region"
description = "Where it is"
mutable = false
options = [{ name = "North", value = "north" }, { name = "South", value = "south" }]

[[parameters]]
name = "host"
default = "plain"
pattern = "[a-z]+"
pattern_error = "only lower-case letters"
`;

const kScript = {
  resources: [
    { type: "disk", name: "home", daily_cost: 2 },
    { type: "machine", name: "main", on: ["start"], daily_cost: 5, attributes: { region: "${parameter.region}" } },
  ],
  outputs: { address: "${parameter.host}.${parameter.region}.example" },
  apply: {
    start: [{ log: "making it in ${parameter.region}" }, { storm: 50 }, { delay: "${parameter.seconds}s" }],
    stop: [{ log: "putting it to rest" }],
    destroy: [{ log: "taking it away" }],
  },
};

// A machine that is a process of the daemon's machine, and runs the agent.
const kMachine = `
variable "folder" { type = string }
variable "slipway_start_count" { type = number }
variable "slipway_hub_url" { type = string }
variable "slipway_agent_token" { type = string }

resource "terraform_data" "machine" {
  count = var.slipway_start_count
  input = var.folder
  provisioner "local-exec" {
    working_dir = var.folder
    environment = { HUB = var.slipway_hub_url, TOKEN = var.slipway_agent_token }
    command     = <<-EOT
      set -eu
      curl -fsS -o slipway-agent -H "Authorization: Bearer $TOKEN" "$HUB/v1/agent/program"
      chmod +x slipway-agent
      printf %s "$TOKEN" > token
      setsid env -i PATH="$PATH" ./slipway-agent run --hub-url "$HUB" --token-file token --state-dir state \\
        --home "$PWD" >log 2>&1 </dev/null &
      echo $! > pid
    EOT
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "kill $(cat pid)"
    working_dir = self.input
  }
}
`;

let stage;
let page;
let folder;
let daemon = null; // {child, ended}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "slipway-templates-"));
  stage = await startStage();
  page = await stage.openSignedIn();
});
after(async () => {
  daemon?.child.kill("SIGTERM");
  await daemon?.ended;
  await stage?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function push(name, manifest, words = []) {
  return pushFiles(name, words, {
    "template.toml": manifest,
    "script.json": JSON.stringify(kScript),
    "README.md": "# Small machine\n\nFor **trying**.\n",
  });
}

// Writes a template's folder and pushes it by the command line; answers what that says.
function pushFiles(name, words, files) {
  const directory = join(folder, name);
  mkdirSync(directory, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
  const env = { ...process.env, SLIPWAY_URL: stage.hub.url, SLIPWAY_KEY: stage.hub.key };
  return new Promise((resolve, reject) =>
    execFile(process.env.SLIPWAY_BIN, ["template", "push", directory, ...words], { env }, (error, stdout, stderr) =>
      error ? reject(new Error(stdout + stderr)) : resolve(stdout),
    ),
  );
}

// A daemon as on a machine of its own.
function startDaemon(key) {
  const keyFile = join(folder, "daemon.key");
  writeFileSync(keyFile, key, { mode: 0o600 });
  const words = ["--hub", stage.hub.url, "--key-file", keyFile, "--name", "laboratory"];
  words.push("--provisioner", "scripted", "--provisioner", "terraform");
  const child = spawn(process.env.SLIPWAY_BIN, ["provisionerd", ...words, "--work", join(folder, "daemon")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  daemon = { child, ended: new Promise((resolve) => child.once("exit", resolve).once("error", resolve)) };
}

const go = (name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
const row = (id) => page.locator(`[data-row="${id}"]`);
const button = (name) => page.getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("link", { name, exact: true });
const inDialog = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true });
const field = (name) => page.locator(`[data-parameter="${name}"]`);
const log = () => page.locator(".job-log");
const headStatus = (status) => visible(page.locator(`.page-head .badge[data-status=${status}]`));

test("Where there is no template the page says how to push one", async () => {
  await go("Templates");
  await visible(page.getByText("slipway template push demo"));
  await stage.inspect("no-templates", page);
});

test("A daemon is given a key, which is shown once, and is there", async () => {
  await go("Daemons");
  await button("New key").click();
  await page.getByLabel("Name").fill("laboratory");
  await inDialog("Make key").click();
  startDaemon(await page.getByRole("dialog").locator(".secret code").innerText());
  await inDialog("I have kept it").click();
  const line = page.getByRole("table", { name: "Daemons" }).getByRole("row").filter({ hasText: "laboratory" });
  await visible(line.locator("[data-status=online]"));
  await visible(line.getByText("scripted"));
  await stage.inspect("real-daemons", page);
  await go("Templates");
});

test("A pushed template shows as soon as it is ready, with what it asks and what it makes", async () => {
  assert.match(await push("small", kManifest, ["--message", "the first"]), /ready and active/);
  await visible(row("small").getByText("v1"));
  await row("small").getByRole("link", { name: "Small machine" }).click();
  await visible(page.locator(".markdown strong", { hasText: "trying" }));
  await visible(page.getByText("7 credits a day while it runs, 2 credits a day while it is stopped"));
  await visible(row("v1").getByText("the first"));
  await row("v1").getByRole("link", { name: "Log of its import" }).click();
  await visible(heading(page, "Template import"));
  await headStatus("succeeded");
  await visible(log().locator("[data-status=completed]"));
  await page.goBack();
});

// RUN-24
test("A workspace is built through the template's form, and what is wrong is shown at its field", async () => {
  await page.getByRole("link", { name: "New workspace from small" }).click();
  await visible(page.getByText("Costs 7 credits a day."));
  await page.getByLabel("Name", { exact: true }).fill("tryout");
  await button("Create workspace").click();
  await visible(field("region").getByRole("alert"));
  await field("region").getByText("North").click();
  await field("host").locator("input").fill("UPPER");
  await button("Create workspace").click();
  await visible(field("host").getByRole("alert").getByText("only lower-case letters"));
  await field("host").locator("input").fill("lower");
  await button("Create workspace").click();
  await visible(heading(page, "Start tryout"));
});

test("Its log is written as it is built, by stage, and in the end stands what it made", async () => {
  await headStatus("succeeded");
  await visible(log().getByText("making it in north"));
  await visible(log().locator("[data-stage='Starting workspace'][data-status=completed]"));
  await visible(page.getByText("lower.north.example"));
  await visible(row("machine.main").getByText("create"));
  await stage.inspect("real-build", page);
});

test("A change keeps what cannot be changed, is followed while it works, and can be cancelled", async () => {
  await link("tryout").click();
  await headStatus("READY");
  await link("Change").click();
  assert.ok(await field("region").locator("input").first().isDisabled());
  await field("seconds").locator("input").fill("900");
  await button("Build with these").click();
  await visible(heading(page, "Start tryout"));
  await visible(log().locator("[data-stage='Starting workspace'][data-status=running]"));
  await stage.inspect("real-build-running", page);
  await button("Cancel build").click();
  await inDialog("Cancel build").click();
  await headStatus("cancelled");
});

test("It is stopped and deleted, each as a build of its own", async () => {
  await page.locator(".breadcrumb a").click();
  await visible(heading(page, "tryout"));
  await visible(page.getByRole("table", { name: "Builds" }).locator("[data-status=cancelled]"));
  await button("Stop").or(button("Start")).first().waitFor();
  if (await button("Stop").count()) {
    await button("Stop").click();
    await inDialog("Stop workspace").click();
    await headStatus("SUSPENDED");
  }
  await stage.inspect("real-built-workspace", page);
  await button("Delete").click();
  await page.getByLabel(/Type tryout to confirm/).fill("tryout");
  await inDialog("Delete for ever").click();
  await visible(page.getByText("This workspace is deleted"));
});

test("What runs an agent is got into from its page", async () => {
  const home = join(folder, "home");
  mkdirSync(home);
  await pushFiles("inhabited", ["--variable", `folder=${home}`], { "main.tf": kMachine });
  await page.goto(`${stage.hub.url}/#/templates/inhabited/new`);
  await page.getByLabel("Name", { exact: true }).fill("inhabited");
  await button("Create workspace").click();
  await headStatus("succeeded");
  await link("inhabited").first().click();
  await page.getByRole("link", { name: "Open terminal" }).click();
  const screen = page.locator(".xterm-rows");
  await visible(screen);
  await page.keyboard.type("echo in-$((6 * 7))-it\n");
  await visible(screen.getByText("in-42-it"));
  await stage.inspect("real-built-terminal", page);
  await page.goBack();
  await button("Delete").click();
  await page.getByLabel(/Type inhabited to confirm/).fill("inhabited");
  await inDialog("Delete for ever").click();
  await visible(page.getByText("This workspace is deleted"));
});

// RUN-4
test("An import that no daemon can take says what is missing, and is cancelled", async () => {
  await push("far", `${kManifest}\n[tags]\nplanet = "mars"\n`, ["--detach"]);
  await go("Jobs");
  const waiting = page.locator("tbody tr").filter({ has: page.locator("[data-status=pending]") });
  await visible(waiting.getByText(/mars/));
  await stage.inspect("real-jobs", page);
  await waiting.getByRole("link", { name: "Template import" }).click();
  await visible(page.getByText("Waiting for a daemon"));
  await visible(page.getByText("planet=mars").first());
  await button("Cancel job").click();
  await inDialog("Cancel job").click();
  await headStatus("cancelled");
});

// RUN-11
test("A group makes a limit, and the form says what it means before anything is built", async () => {
  await go("Quota");
  await visible(page.getByText("no limit"));
  await button("New group").click();
  await page.getByLabel("Name").fill("everyone");
  await page.getByLabel("Budget a day, for each member").fill("3");
  await inDialog("Save").click();
  await visible(row("everyone").getByText("3 credits"));
  await page.goto(`${stage.hub.url}/#/templates/small/new`);
  await visible(page.getByText("The build would be refused."));
  await page.getByLabel("Name", { exact: true }).fill("toomuch");
  await field("region").getByText("South").click();
  await button("Create workspace").click();
  await headStatus("failed");
  await visible(page.locator("main").getByText("INSUFFICIENT_QUOTA").first());
  await stage.inspect("real-refused", page);
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

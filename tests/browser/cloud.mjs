// A simulated cloud of its own for one test run: free port, gone afterwards.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const kStartMs = 60_000;
const kLookEveryMs = 50;
const kProject = "test-project";
const kRegion = "us-central1";
const kCluster = "main";
const kTopic = "workstation-provisioning";
const kTiers = {
  starter: ["e2-medium", 50],
  professional: ["e2-highmem-4", 100],
  business: ["n2-highmem-8", 200],
  enterprise: ["n2-highmem-16", 500],
};

/**
 * Answers a Cloud once it answers. `binary` is the `slipway` program, beside which the simulator lies; `timeScale` says
 * how long things take there, as part of what they take in truth.
 */
export async function startCloud(binary, { timeScale }) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-browser-cloud-"));
  const words = ["--port", 0, "--project", kProject, "--region", kRegion, "--time-scale", timeScale];
  words.push("--write-credentials", join(folder, "credentials"), "--cluster", kCluster);
  words.push("--topic", kTopic, "--topic", "workstation-events");
  words.push("--subscription", `workstation-provisioning-sub:${kTopic}`);
  const child = spawn(join(dirname(binary), "slipway-simulator"), words.map(String), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  const cloud = new Cloud(folder, child);
  try {
    await cloud.untilItAnswers();
    await cloud.makeConfigs();
    return cloud;
  } catch (error) {
    await cloud.stop();
    throw new Error(`the simulated cloud did not come up: ${error.message}\n${Buffer.concat(output)}`);
  }
}

class Cloud {
  url = null; // it says where it is when it serves
  #folder;
  #child;
  #exited;

  constructor(folder, child) {
    this.#folder = folder;
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
    createInterface({ input: child.stdout }).once("line", (line) => (this.url = JSON.parse(line).url));
  }

  async stop() {
    this.#child.kill("SIGTERM");
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The file for `slipway serve --cloud`. */
  writeConfig() {
    mkdirSync(this.#mailFolder);
    const file = join(this.#folder, "cloud.toml");
    const endpoints = ["workstations", "pubsub", "compute", "iam_credentials"].map((name) => `${name} = "${this.url}"`);
    const lines = [
      "[google]",
      `project = "${kProject}"`,
      `location = "${kRegion}"`,
      `credentials = "${join(this.#folder, "credentials", "service-account.json")}"`,
      "[google.endpoints]",
      ...endpoints,
      `oauth_token = "${this.url}/token"`,
      `sts = "${this.url}/v1/token"`,
      `metadata = "${new URL(this.url).host}"`,
      "[workstations]",
      `default_cluster = "${kCluster}"`,
      'poll_every = "100ms"',
      'watch_every = "50ms"',
      "[mail]",
      `url = "folder:${this.#mailFolder}"`,
    ];
    writeFileSync(file, lines.join("\n") + "\n");
    return file;
  }

  get #mailFolder() {
    return join(this.#folder, "mail");
  }

  /** The HTML of the mail that was sent to an address. */
  mailTo(address) {
    const texts = readdirSync(this.#mailFolder).map((name) => readFileSync(join(this.#mailFolder, name), "utf8"));
    const mail = texts.find((text) => text.includes(`To: <${address}>`));
    const html = /Content-Type: text\/html[^]*?\r?\n\r?\n([^]*?)\r?\n--=_/.exec(mail)[1];
    return decodeQuotedPrintable(html);
  }

  /** A message of a finished checkout; answers its id. */
  async publish(order) {
    const data = Buffer.from(typeof order === "string" ? order : JSON.stringify(order)).toString("base64");
    const answer = await this.#call("POST", `/v1/projects/${kProject}/topics/${kTopic}:publish`, {
      messages: [{ data }],
    });
    return answer.messageIds[0];
  }

  /** What there is no more room for: `{workstations_per_project: 1}`; without a name there is no limit. */
  quotas(limits) {
    return this.#call("POST", "/simulator/quotas", limits);
  }

  /** From now on nobody is told in which state a workstation is: what waits for one goes on waiting. */
  hideStates() {
    return this.#call("POST", "/simulator/faults", { kind: "unknown_state", call: "workstations.get" });
  }
  showStates() {
    return this.#call("DELETE", "/simulator/faults");
  }

  /** Lets the cloud's clock jump ahead. */
  skip(seconds) {
    return this.#call("POST", "/simulator/clock", { advance_s: seconds });
  }

  async makeConfigs() {
    const parent = `/v1/projects/${kProject}/locations/${kRegion}/workstationClusters/${kCluster}/workstationConfigs`;
    for (const [tier, [machineType, sizeGb]] of Object.entries(kTiers))
      await this.#call("POST", `${parent}?workstationConfigId=${tier}`, {
        host: { gceInstance: { machineType } },
        persistentDirectories: [{ mountPath: "/home", gcePd: { sizeGb, diskType: "pd-balanced" } }],
      });
  }

  async untilItAnswers() {
    const deadline = Date.now() + kStartMs;
    while (!this.url) {
      if (Date.now() > deadline || this.#child.exitCode !== null) throw new Error("it says nothing");
      await pause(kLookEveryMs);
    }
  }

  async #call(method, path, body) {
    const headers = { "Content-Type": "application/json" };
    if (!path.startsWith("/simulator/")) headers.Authorization = `Bearer ${await this.#token()}`;
    const response = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
  async #token() {
    return (await this.#call("GET", "/simulator/token")).access_token;
  }
}

// RFC 2045 §6.7
function decodeQuotedPrintable(text) {
  const joined = text.replace(/=\r?\n/g, "");
  const bytes = joined.replace(/=([0-9A-F]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

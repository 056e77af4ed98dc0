// A real hub of its own for one test run: free port, temporary data, gone afterwards with everything it made.

import { spawn } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const kStartMs = 60_000;
const kLookEveryMs = 50;

/**
 * Answers `{url, key, gate, stop()}` once the hub says that it is healthy. `binary` is the `slipway` program, `options`
 * are more words for `slipway serve`. Between `gate.close()` and `gate.open()` every machine waits with its beginning,
 * so that a test can look at it for as long as it takes.
 */
export async function startHub(binary, options = []) {
  const data = mkdtempSync(join(tmpdir(), "slipway-browser-"));
  const gate = makeGate(join(data, "gate"));
  const child = spawn(binary, ["serve", "--data", data, "--port", "0", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: gate.folder + delimiter + process.env.PATH },
  });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  const exited = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));

  let client = null;
  const stop = async () => {
    gate.open();
    if (client) await deleteWorkspaces(client).catch((error) => console.error(`left behind: ${error.message}`));
    child.kill("SIGTERM");
    await exited;
    rmSync(data, { recursive: true, force: true });
  };

  try {
    client = await untilHealthy(data, child, output);
    return { ...client, gate, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

// A program in front of bwrap, which starts every sandbox: it waits while the file `closed` is there.
function makeGate(folder) {
  const bwrap = process.env.PATH.split(delimiter)
    .map((each) => join(each, "bwrap"))
    .find(isProgram);
  const closed = join(folder, "closed");
  mkdirSync(folder);
  const wait = `while [ -e '${closed}' ]; do sleep 0.02; done`;
  writeFileSync(join(folder, "bwrap"), `#!/bin/sh\n${wait}\nexec ${bwrap} "$@"\n`, { mode: 0o755 });
  return { folder, close: () => writeFileSync(closed, ""), open: () => rmSync(closed, { force: true }) };
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// Machines outlive their hub, by design: what a failed test has left is taken away here.
async function deleteWorkspaces({ url, key }) {
  const headers = { Authorization: `Bearer ${key}`, Prefer: "wait=30" };
  const list = await (await fetch(`${url}/v1/workspaces`, { headers })).json();
  for (const { id } of list.data) await fetch(`${url}/v1/workspaces/${id}`, { method: "DELETE", headers });
}

async function untilHealthy(data, child, output) {
  const file = join(data, "client.json");
  const deadline = Date.now() + kStartMs;
  while (Date.now() < deadline && child.exitCode === null) {
    if (existsSync(file)) {
      const client = parseWhole(readFileSync(file, "utf8"));
      if (client && (await healthy(client.url))) return client;
    }
    await pause(kLookEveryMs);
  }
  throw new Error(`the hub did not come up:\n${Buffer.concat(output)}`);
}

function parseWhole(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // still being written
  }
}

async function healthy(url) {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false;
  }
}

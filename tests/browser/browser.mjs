// A real browser on a real hub, for one file of tests.
//
// Environment: SLIPWAY_BIN (the program), CHROMIUM (default /usr/bin/chromium), SCREENSHOTS (a folder to keep them in;
// without it they are not kept).

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { startHub } from "./hub.mjs";

const kFlags =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking " +
  "--disable-component-update --disable-sync";
const kPatienceMs = 60_000; // of every wait: generous, because nothing here measures time
const kSchemes = ["light", "dark"];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Answers a Stage; end it with `stop()`. `options` are more words for `slipway serve`. */
export async function startStage({ options = [] } = {}) {
  assert.ok(process.env.SLIPWAY_BIN, "SLIPWAY_BIN names the program to test");
  const screenshots = process.env.SCREENSHOTS;
  if (screenshots) mkdirSync(screenshots, { recursive: true });
  const hub = await startHub(process.env.SLIPWAY_BIN, options);
  try {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    const browser = await chromium.launch({ executablePath, args: kFlags.split(" "), timeout: kPatienceMs });
    return new Stage(hub, browser, screenshots);
  } catch (error) {
    await hub.stop();
    throw error;
  }
}

class Stage {
  /** What the browser found wrong: uncaught errors, errors on its console, refusals by the content policy. */
  complaints = [];
  #browser;
  #screenshots;

  constructor(hub, browser, screenshots) {
    this.hub = hub;
    this.#browser = browser;
    this.#screenshots = screenshots;
  }

  async stop() {
    await this.#browser.close();
    await this.hub.stop();
  }

  /** A tab of its own, not signed in. */
  async openPage(options = {}) {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    context.setDefaultTimeout(kPatienceMs);
    await context.addInitScript(axe); // as a script of the page it would be refused by the policy, rightly
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(error.stack));
    page.on("console", (message) => {
      const text = message.text();
      const answer = /Failed to load resource/.test(text); // a status that the page deals with
      if (/Content.Security.Policy|Trusted/i.test(text) || (message.type() === "error" && !answer))
        this.complaints.push(text);
    });
    return page;
  }

  /** A tab that is signed in, at `#/target`. */
  async openSignedIn(target = "", options = {}) {
    const page = await this.openPage(options);
    await page.goto(`${this.hub.url}/#key=${this.hub.key}`);
    await page.locator("main h1").waitFor();
    if (target) await page.goto(`${this.hub.url}/#/${target}`);
    return page;
  }

  /** A picture and an accessibility check of what is on the page, in light and in dark. */
  async inspect(name, page) {
    for (const colorScheme of kSchemes) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const path = this.#screenshots && join(this.#screenshots, `${name}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
      await this.checkAccessibility(`${name}, ${colorScheme}`, page);
    }
  }

  async checkAccessibility(name, page) {
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n")}`);
    assert.deepEqual(found, [], `accessibility of ${name}`);
  }

  /** A call of the hub's API, which must succeed; answers its data. Waits, so many seconds, for the end of what it began. */
  async call(method, path, body, { wait = 60 } = {}) {
    const headers = {
      Authorization: `Bearer ${this.hub.key}`,
      Prefer: `wait=${wait}`,
      "Content-Type": "application/json",
    };
    const response = await fetch(this.hub.url + path, { method, headers, body: body && JSON.stringify(body) });
    const answer = await response.json();
    assert.ok(answer.success, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  async makeWorkspace(name) {
    const { workspace, run } = await this.call("POST", "/v1/workspaces", { name });
    assert.equal(run.status, "completed");
    return workspace;
  }
}

export const heading = (page, name) => page.getByRole("heading", { level: 1, name });
export const visible = (locator) => locator.first().waitFor({ state: "visible" });
export const gone = (locator) => locator.first().waitFor({ state: "detached" });

/** How many pixels a page is too wide for its screen. */
export const overflow = (page) =>
  page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth));

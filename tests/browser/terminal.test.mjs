// The terminal in the browser: a real shell in a real sandbox, typed into.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { heading, startStage, visible } from "./browser.mjs";

let stage;
let workspace;
let page;

before(async () => {
  stage = await startStage();
  workspace = await stage.makeWorkspace("hello");
  page = await stage.openSignedIn(`workspaces/${workspace.id}`);
  await page.evaluate(rememberSockets);
});
after(() => stage?.stop());

// Runs in the page: gives tests a way to cut what the page is connected by.
function rememberSockets() {
  const sockets = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    sockets.push(this);
    return send.call(this, data);
  };
  globalThis.cutConnections = () => sockets.splice(0).forEach((socket) => socket.close());
}

const rows = () => page.locator(".xterm-rows");
const shows = (text) => visible(rows().filter({ hasText: text }));
const state = (text) => visible(page.locator(".page-head .badge").filter({ hasText: text }));
const run = async (line) => {
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
};

test("What is typed runs in the workspace, and its output is shown", async () => {
  await page.getByRole("link", { name: "Open terminal" }).click();
  await visible(heading(page, "hello: terminal"));
  await state("Connected");
  await shows("$");
  await run("echo $((6 * 7))-$USER");
  await shows("42-dev");
});

test("Colours that a program asks for are shown, under the strict content policy", async () => {
  await run("printf '\\e[38;2;1;99;2mgre''en\\e[0m\\n'");
  const cell = rows().locator("span", { hasText: /^green$/ });
  await visible(cell);
  assert.equal(await cell.evaluate((node) => getComputedStyle(node).color), "rgb(1, 99, 2)");
  await stage.inspect("terminal", page);
});

test("The program learns the size of the window, also when it changes", async () => {
  let question = 0;
  const sizeSaid = async () => {
    const mark = `size${++question}:`;
    await run(`stty size | sed 's/^/size'${question}:/`);
    await shows(new RegExp(`${mark}\\d+ \\d+`));
    return (await rows().innerText())
      .match(new RegExp(`${mark}(\\d+) (\\d+)`))
      .slice(1)
      .map(Number);
  };
  const [height, width] = await sizeSaid();
  await page.setViewportSize({ width: 800, height: 600 });
  // The page tells the program a moment after it was resized: the question is asked until the answer differs.
  for (;;) {
    const [newHeight, newWidth] = await sizeSaid();
    if (newHeight === height || newWidth === width) continue;
    assert.ok(newHeight < height && newWidth < width, `${newHeight} × ${newWidth}`);
    break;
  }
  await page.setViewportSize({ width: 1280, height: 860 });
});

test("A long output comes whole and in order", async () => {
  await run("clear; seq 200000 | md5sum; seq 200000; echo do''ne");
  await shows("done");
  assert.match(await rows().innerText(), /199999\s+200000\s+done/);
});

test("What is selected is copied, and pasted; with nothing selected Ctrl+C interrupts", async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await run("clear; echo wo''rd");
  const line = rows().locator("div", { hasText: /^word\s*$/ });
  await visible(line);
  const { x, y, height } = await line.boundingBox();
  await page.mouse.dblclick(x + 8, y + height / 2);
  await page.keyboard.press("Control+c");
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) === "word");
  await page.keyboard.type("# pass");
  await page.keyboard.press("Control+Shift+v");
  await shows("# password");
  await page.keyboard.press("Control+c");
  await shows("^C");
});

test("Other pages can be looked at meanwhile, and the shell is still there", async () => {
  await run("clear; answer=kept");
  await page.getByRole("link", { name: "Runs" }).click();
  await visible(heading(page, "Runs"));
  await page.goBack();
  await visible(rows());
  await run("echo is-$answer");
  await shows("is-kept");
});

test("The browser asks before a tab with a shell is left", async () => {
  const asked = page.waitForEvent("dialog");
  const left = page.goto(`${stage.hub.url}/docs`).catch(() => {}); // it stays
  const dialog = await asked;
  assert.equal(dialog.type(), "beforeunload");
  await dialog.dismiss();
  await left;
  await run("echo st''ays");
  await shows("stays");
});

test("A shell survives that its connection is cut", async () => {
  await run("clear; answer=survived");
  await page.evaluate(() => globalThis.cutConnections());
  await run("echo has-$answer");
  await shows("has-survived");
  await state("Connected");
});

test("The keyboard gets out of the terminal, and screen readers are told what it shows", async () => {
  await page.keyboard.press("Control+Shift+Space");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Smaller text");
  await page.getByLabel("For screen readers").check();
  await visible(page.locator(".xterm-accessibility-tree [role=listitem]").filter({ hasText: "has-survived" }));
  await page.getByLabel("For screen readers").uncheck();
});

test("The exit code is told, and another shell can be opened", async () => {
  await page.locator(".xterm-screen").click();
  await run("exit 3");
  await visible(page.getByText("ended with exit code 3"));
  await state("Ended");
  await stage.inspect("terminal-ended", page);
  await page.getByRole("button", { name: "Open another" }).click();
  await state("Connected");
  await run("clear; echo ano''ther");
  await shows("another");
});

test("A workspace that is stopped says so instead", async () => {
  await stage.call("POST", `/v1/workspaces/${workspace.id}/stop`, {});
  const other = await stage.openSignedIn(`workspaces/${workspace.id}/terminal`);
  await visible(other.getByRole("alert").filter({ hasText: "INVALID_STATE" }));
  assert.match(await other.getByRole("alert").innerText(), /stopped; start it first/);
  await other.context().close();
});

test("Where the build has no terminal, the page says so and how to get in", async () => {
  const other = await stage.openPage();
  await other.route("**/packages/**", (route) => route.fulfill({ status: 404 }));
  await other.goto(`${stage.hub.url}/#key=${stage.hub.key}`);
  await visible(heading(other, "Workspaces"));
  await other.goto(`${stage.hub.url}/#/workspaces/${workspace.id}/terminal`);
  await visible(other.getByText("NOT_IN_THIS_BUILD"));
  await visible(other.getByText("slipway ssh hello"));
  await other.context().close();
});

test("The browser had nothing to complain about", () => assert.deepEqual(stage.complaints, []));

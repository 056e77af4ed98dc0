// The API's reference at /docs: every operation of the document is there, and can be asked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { heading, overflow, startStage, visible } from "./browser.mjs";

let stage;
let page;
let described;
let ids; // of its operations

before(async () => {
  stage = await startStage();
  described = await (await fetch(`${stage.hub.url}/openapi.json`)).json();
  ids = Object.values(described.paths).flatMap((methods) => Object.values(methods).map((item) => item.operationId));
  page = await stage.openPage();
  await page.goto(`${stage.hub.url}/docs`);
  await visible(heading(page, /^Slipway/));
});
after(() => stage?.stop());

const operation = (id) => page.locator(`#${id}`);
const answer = (id) => operation(id).getByRole("status");

const filter = (text) => page.getByRole("searchbox", { name: "Filter" }).fill(text);

test("Every operation of the document is shown", async () => {
  const shown = await page.locator("article.operation").evaluateAll((nodes) => nodes.map((node) => node.id));
  assert.deepEqual(shown.toSorted(), ids.toSorted());
});

test("All of it is accessible", async () => {
  // One by one: of eighty thousand elements at once, most of them folded, the check takes minutes.
  for (const id of ids) {
    await filter(id);
    await stage.checkAccessibility(id, page);
  }
  await filter("queue");
  await stage.inspect("reference", page);
  await filter("");
});

test("Without a key, what needs one is refused, and the page shows it", async () => {
  await operation("getMe").getByText("Try it").click();
  await operation("getMe").getByRole("button", { name: "Send GET" }).click();
  await visible(answer("getMe").getByText("401"));
});

test("With a key it is answered, and told as a curl command", async () => {
  await page.getByLabel("API key, to try operations here").fill(stage.hub.key);
  await page.getByRole("button", { name: "Use this key" }).click();
  await operation("getMe").getByRole("button", { name: "Send GET" }).click();
  await visible(answer("getMe").getByText("200"));
  await visible(answer("getMe").getByText('"role": "admin"'));
  await visible(answer("getMe").getByText("/v1/me'"));
  assert.ok(!(await page.content()).includes(stage.hub.key), "the key itself is not shown");
});

test("A body starts as the document's example, parameters go into the path", async () => {
  const put = operation("putQueue");
  await put.getByText("Try it").click();
  await put.getByLabel("name").fill("a b");
  await put.getByLabel("Body, as JSON").fill('{"concurrency": 0}');
  await put.getByRole("button", { name: "Send PUT" }).click();
  await visible(answer("putQueue").getByText("400"));
  await visible(answer("putQueue").getByText("/v1/queues/a%20b"));
  await filter("limits queue");
  await stage.inspect("reference-tried", page);
});

test("The filter leaves what fits, and the keyboard reaches it", async () => {
  await filter("delete workspace");
  await visible(operation("deleteWorkspace"));
  assert.equal(await page.locator("article.operation").count(), 1);
  await page.getByRole("searchbox", { name: "Filter" }).press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(/#deleteWorkspace$/);
  await filter("no such thing");
  await visible(page.getByText("No operation fits."));
});

test("It fits a narrow screen", async () => {
  await page.setViewportSize({ width: 380, height: 800 });
  await filter("");
  assert.equal(await overflow(page), 0);
  await filter("queue");
  await stage.inspect("reference-narrow", page);
});

test("The browser had nothing to complain of", () => assert.deepEqual(stage.complaints, []));

// The mail about a workstation (WP-8), as a browser shows it: mail clients do the same or less.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { overflow, startStage } from "./browser.mjs";

const kCloud = `
[google]
project = "acme-prod"
location = "europe-west1"
[mail]
url = "folder:FOLDER"
`;

let stage, folder, html;

/** The HTML part of a mail that is put together as ours are. */
function htmlPart(mail) {
  const boundary = mail.match(/boundary="([^"]+)"/)[1];
  const part = mail.split("--" + boundary).find((text) => text.includes("Content-Type: text/html"));
  const encoded = part.slice(part.indexOf("\r\n\r\n") + 4).replace(/=\r\n/g, "");
  return Buffer.from(encoded.replace(/=([0-9A-F]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16))), "latin1")
    .toString("utf8");
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "slipway-mail-"));
  writeFileSync(join(folder, "cloud.toml"), kCloud.replace("FOLDER", join(folder, "mails")));
  execFileSync(process.env.SLIPWAY_BIN, [
    ...["mail", "test", "--cloud", join(folder, "cloud.toml"), "--to", "jane@example.com"],
  ]);
  const [file] = readdirSync(join(folder, "mails"));
  html = htmlPart(readFileSync(join(folder, "mails", file), "utf8"));
  stage = await startStage();
});

after(async () => {
  await stage?.stop();
  rmSync(folder, { recursive: true, force: true });
});

for (const width of [1024, 360]) {
  test(`can be read ${width} pixels wide, in light and in dark`, async () => {
    const page = await stage.openPage({ viewport: { width, height: 800 } });
    await page.setContent(html);
    await stage.inspect(`mail-${width}`, page);
    assert.equal(await overflow(page), 0);
    await page.context().close();
  });
}

test("has one button, which leads to the workstation", async () => {
  const page = await stage.openPage();
  await page.setContent(html);
  const button = page.getByRole("link", { name: "Launch Workstation" });
  assert.equal(await button.getAttribute("href"), "https://workstation.example.com");
  assert.equal(await page.getByRole("row", { name: "Memory 4 GB" }).count(), 1);
  await page.context().close();
});

test("needs nothing from elsewhere: no script, no picture, no style sheet", async () => {
  assert.doesNotMatch(html, /<(script|img|link|iframe)\b|url\(/i);
  assert.deepEqual(stage.complaints, []);
});

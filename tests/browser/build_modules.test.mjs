// The parts of the pages of templates and builds that need no browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LogModel, offsetText, sectionStates } from "../../web/src/jobs/log_model.js";
import { markdown } from "../../web/src/jobs/markdown.js";
import { beginValue, givenParameters, pathOf } from "../../web/src/jobs/parameter_fields.js";

const line = (number, stage, seconds = number) => ({
  number,
  stage,
  source: "provisioner",
  level: "info",
  at: new Date(seconds * 1000).toISOString(),
  output: `line ${number}`,
});

const modelOf = (...lines) => {
  const model = new LogModel();
  for (const each of lines) model.add(each);
  return model;
};

test("A log's lines come once, whatever a resumed stream repeats", () => {
  const model = modelOf(line(0, "a"), line(1, "a"), line(0, "a"), line(1, "a"), line(2, "a"));
  assert.deepEqual(
    model.sections[0].lines.map(({ number }) => number),
    [0, 1, 2],
  );
  assert.equal(model.length, 3);
});

test("A stage that comes again is a section of its own, and a gap belongs to what it stands in", () => {
  const gap = { ...line(7, "elsewhere"), leftOut: 5 };
  const model = modelOf(line(0, "Setting up"), line(1, "Planning"), gap, line(8, "Planning"), line(9, "Setting up"));
  assert.deepEqual(
    model.sections.map(({ stage, lines }) => [stage, lines.length]),
    [
      ["Setting up", 1],
      ["Planning", 3],
      ["Setting up", 1],
    ],
  );
});

test("A stage's own announcement is its head, not one of its lines", () => {
  const said = (number, stage, output) => ({ ...line(number, stage), output });
  const model = modelOf(
    said(0, "Setting up", "Setting up"),
    said(1, "Planning", "Planning"),
    said(2, "Planning", "2 to add"),
    said(3, "Planning", "Planning"),
  );
  assert.deepEqual(
    model.sections.map(({ stage, lines }) => [stage, lines.map(({ output }) => output)]),
    [
      ["Setting up", []],
      ["Planning", ["2 to add", "Planning"]],
    ],
  );
  assert.equal(model.length, 2);
});

test("Colours of a terminal are no part of a line", () => {
  const model = modelOf({ ...line(0, "a"), output: "\u001b[31mred\u001b[0m" });
  assert.equal(model.sections[0].lines[0].output, "red");
});

test("What failed is the last stage before cleaning up", () => {
  const { sections } = modelOf(line(0, "Setting up"), line(2, "Planning"), line(5, "Cleaning Up"));
  const ended = { status: "failed", endedAt: new Date(6000).toISOString() };
  assert.deepEqual(sectionStates(sections, ended, 99_000), [
    { status: "completed", tookMs: 2000 },
    { status: "failed", tookMs: 3000 },
    { status: "completed", tookMs: 1000 },
  ]);
});

test("Only the last stage is at work, and its time grows", () => {
  const { sections } = modelOf(line(0, "Setting up"), line(2, "Planning"));
  const states = (job) => sectionStates(sections, job, 12_000);
  assert.deepEqual(states({ status: "running" }).at(-1), { status: "running", tookMs: 10_000 });
  assert.equal(states({ status: "pending" }).at(-1).status, "waiting");
  assert.equal(states(null).at(-1).status, "running");
});

test("Times of lines are as short as they can be", () => {
  assert.deepEqual([0, 1_234, 75_060, 3_661_999, -5].map(offsetText), [
    "0:00.0",
    "0:01.2",
    "1:15.0",
    "1:01:01",
    "0:00.0",
  ]);
});

// ---- README

const shown = (node) =>
  node.text ??
  `<${node.tag}${node.props.href ? ` ${node.props.href}` : ""}>${node.children.map(shown).join("")}</${node.tag}>`;
const html = (text) => shown(markdown(text)).replace(/^<div>|<\/div>$/g, "");

test("Markdown becomes headings below those of the page, lists, code and quotes", () => {
  assert.equal(
    html("# One\ntext **bold** _soft_ `code`"),
    "<h3>One</h3><p>text <strong>bold</strong> <em>soft</em> <code>code</code></p>",
  );
  assert.equal(html("- a\n- b\n  - c\n\n1. d"), "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol><li>d</li></ol>");
  assert.equal(html("```hcl\na = 1\n\n# b\n```\nc"), "<pre><code>a = 1\n\n# b</code></pre><p>c</p>");
  assert.equal(html("> a\n> b"), "<blockquote><p>a\nb</p></blockquote>");
  assert.equal(html("---\ntitle: x\n---\na"), "<p>a</p>");
});

test("Markdown makes no element that it does not know, and links only to the web", () => {
  const text = "<script>alert(1)</script>";
  assert.equal(html(text), `<p>${text}</p>`);
  for (const target of ["javascript:x", "JAVASCRIPT:x", "data:text/html,x", "/v1/me", "#/workspaces", "//host"])
    assert.equal(html(`[a](${target})`), "<p>a</p>", target);
  assert.equal(html("[a](https://b.example/c)"), "<p><a https://b.example/c>a</a></p>");
  assert.equal(html("![a](https://b.example/c.png)"), "<p>a</p>");
});

test("Markdown ends with whatever it is given", () => {
  const texts = [
    "```",
    "- ",
    "> ".repeat(500),
    "  - a\n".repeat(300),
    "[".repeat(20_000),
    "**".repeat(20_000),
    "|a|\n|-|",
  ];
  for (const text of texts) assert.ok(html(text).length >= 0);
  let deep = "";
  for (let depth = 0; depth < 200; ++depth) deep += `${"  ".repeat(depth)}- a\n`;
  assert.ok(html(deep).includes("<ul>"));
});

// ---- parameters (RUN-24)

const kParameters = [
  { name: "size", type: "string", defaultValue: "small" },
  { name: "region", type: "string", required: true, isMutable: false },
  { name: "docker", type: "boolean" },
  { name: "tools", type: "list", defaultValue: '["git"]' },
  { name: "note", type: "string" },
  { name: "token", type: "string", sensitive: true, required: true },
  { name: "once", type: "string", ephemeral: true, defaultValue: "no" },
];
const begun = (previous = {}) =>
  Object.fromEntries(kParameters.map((each) => [pathOf(each), beginValue(each, previous[each.name])]));

test("A form begins with what was chosen before, else with the defaults, and never with a secret", () => {
  const values = begun({ size: "large", tools: '["go"]', token: "*redacted*" });
  assert.equal(values["parameters/size"], "large");
  assert.deepEqual(values["parameters/tools"], ["go"]);
  assert.equal(values["parameters/docker"], "false");
  assert.equal(values["parameters/token"], "");
  assert.equal(values["parameters/once"], "no");
});

test("A secret's default, which nobody is shown, is left to the template", () => {
  const secrets = ["string", "boolean", "number"].map((type) => ({ name: type, type, sensitive: true, defaultValue: "*redacted*" }));
  const values = Object.fromEntries(secrets.map((each) => [pathOf(each), beginValue(each)]));
  assert.deepEqual(givenParameters(secrets, values), {});
  assert.deepEqual(givenParameters(secrets, { ...values, "parameters/string": "mine" }), { string: "mine" });
});

test("For a first build all that has a value is given, as text", () => {
  const values = { ...begun(), "parameters/region": "paris", "parameters/tools": ["git", "", "go"] };
  assert.deepEqual(givenParameters(kParameters, values), {
    size: "small",
    region: "paris",
    docker: "false",
    tools: '["git","go"]',
    once: "no",
  });
});

test("What has a default can be given as nothing", () => {
  assert.equal(givenParameters(kParameters, { ...begun(), "parameters/size": "" }).size, "");
  assert.equal(givenParameters(kParameters, { ...begun(), "parameters/tools": [] }).tools, "[]");
});

test("For a change only what differs is given", () => {
  const previous = { size: "large", region: "paris", docker: "true", tools: '["git"]', token: "*redacted*" };
  const values = begun(previous);
  assert.deepEqual(givenParameters(kParameters, values, previous), {});
  values["parameters/size"] = "small";
  values["parameters/token"] = "new";
  values["parameters/once"] = "yes";
  assert.deepEqual(givenParameters(kParameters, values, previous), { size: "small", token: "new", once: "yes" });
});

// The API's reference at /docs: every operation of /openapi.json, to read and to try. It knows nothing of the API but
// that document.

import { h, render } from "../dom.js";
import { Session } from "../session.js";
import { drawMember, drawMembers, resolve, typeText } from "./schema.js";
import { drawTryIt } from "./try_it.js";

const page = document.getElementById("page");
const session = new Session(() => draw());
let described = null;
let filter = "";

function operationsOf(api) {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, item]) => ({
      id: item.operationId,
      method: method.toUpperCase(),
      path,
      item,
      tag: item.tags[0],
      parameters: (item.parameters ?? []).map((each) => resolve(api, each)),
    })),
  );
}

function matches(operation) {
  const text = `${operation.method} ${operation.path} ${operation.id} ${operation.item.summary}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function methodName(method) {
  return h("span", { class: `method method-${method.toLowerCase()}` }, method);
}

function drawSide(groups) {
  return h(
    "nav",
    { class: "reference-side", "aria-label": "Operations" },
    h("a", { class: "brand", href: "./" }, "Slipway"),
    h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: "filter" }, "Filter"),
      h("input", { id: "filter", type: "search", value: filter, oninput: (event) => search(event.currentTarget.value) }),
    ),
    groups.map(([tag, operations]) => [
      h("h2", { key: `head-${tag.name}` }, tag.name),
      h(
        "ul",
        { key: `list-${tag.name}` },
        operations.map((each) =>
          h("li", { key: each.id }, h("a", { href: `#${each.id}` }, methodName(each.method), each.item.summary)),
        ),
      ),
    ]),
  );
}

function drawParameters(operation) {
  if (operation.parameters.length === 0) return null;
  return h(
    "details",
    { open: true },
    h("summary", {}, "Parameters"),
    h(
      "ul",
      { class: "members" },
      operation.parameters.map((each) =>
        drawMember(described, each.name, { ...each.schema, description: describe(each) }, Boolean(each.required)),
      ),
    ),
  );
}

function describe(parameter) {
  return [`in ${parameter.in}`, parameter.description].filter(Boolean).join("; ");
}

function drawContent(content) {
  return Object.entries(content ?? {}).map(([type, { schema }]) =>
    h(
      "div",
      { key: type },
      h("span", { class: "member-type" }, `${type}: ${typeText(described, schema.contentSchema ?? schema)}`),
      drawMembers(described, schema.contentSchema ?? schema),
    ),
  );
}

function drawBody(operation) {
  const body = operation.item.requestBody;
  if (!body) return null;
  return h("details", { open: true }, h("summary", {}, body.required ? "Body" : "Body, optional"), drawContent(body.content));
}

function drawAnswer(status, answer) {
  const found = resolve(described, answer);
  return h(
    "details",
    { key: status },
    h("summary", {}, `${status} ${found.description}`),
    h(
      "ul",
      { class: "members" },
      Object.entries(found.headers ?? {}).map(([name, header]) => {
        const said = resolve(described, header);
        return drawMember(described, name, { ...said.schema, description: said.description }, Boolean(said.required));
      }),
    ),
    drawContent(found.content),
  );
}

function drawOperation(operation) {
  const answers = Object.entries(operation.item.responses);
  const good = answers.filter(([status]) => status < "400");
  const errors = answers.filter(([status]) => status >= "400");
  return h(
    "article",
    { class: "card operation", id: operation.id, key: operation.id, "aria-labelledby": `${operation.id}-title` },
    h(
      "div",
      { class: "operation-head" },
      methodName(operation.method),
      h("span", { class: "operation-path" }, operation.path),
      h("h3", { id: `${operation.id}-title` }, operation.item.summary),
    ),
    operation.item.description !== operation.item.summary + "." && h("p", {}, operation.item.description),
    drawParameters(operation),
    drawBody(operation),
    good.map(([status, answer]) => drawAnswer(status, answer)),
    h("details", { key: "errors" }, h("summary", {}, "Errors"), errors.map(([status, answer]) => drawAnswer(status, answer))),
    drawTryIt(described, operation, () => session.key),
  );
}

function drawKey() {
  if (session.key)
    return h("p", {}, "Requests that you try here carry your key. ", h("button", { class: "button small-button", onclick: () => session.signOut() }, "Forget it"));
  return h(
    "form",
    {
      class: "try-form",
      onsubmit: (event) => {
        event.preventDefault();
        session.signIn(event.currentTarget.elements.key.value.trim());
      },
    },
    h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: "key" }, "API key, to try operations here"),
      h("input", { id: "key", name: "key", type: "password", autocomplete: "off", required: true }),
    ),
    h("div", {}, h("button", { class: "button", type: "submit" }, "Use this key")),
  );
}

function draw() {
  const operations = operationsOf(described).filter(matches);
  const groups = described.tags
    .map((tag) => [tag, operations.filter((each) => each.tag === tag.name)])
    .filter(([, members]) => members.length > 0);
  render(
    page,
    h(
      "div",
      { class: "reference-frame" },
      drawSide(groups),
      h(
        "main",
        { class: "reference-main", id: "content", tabindex: "-1" },
        h("h1", {}, `${described.info.title} ${described.info.version}`),
        h("p", {}, described.info.description),
        h("p", {}, "For programs: ", h("a", { href: "openapi.json" }, "openapi.json"), " (OpenAPI 3.1)"),
        drawKey(),
        groups.map(([tag, members]) => [
          h("h2", { class: "tag", key: `tag-${tag.name}` }, tag.name),
          h("p", { class: "muted", key: `about-${tag.name}` }, tag.description),
          members.map(drawOperation),
        ]),
        groups.length === 0 && h("p", { role: "status" }, "No operation fits."),
      ),
    ),
  );
}

function search(text) {
  filter = text;
  draw();
}

// The browser looked for the fragment before there was anything.
function goToFragment() {
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

async function start() {
  try {
    const response = await fetch("openapi.json");
    if (!response.ok) throw new Error(`the hub answered ${response.status}`);
    described = await response.json();
  } catch (error) {
    render(page, h("p", { class: "reference-plain", role: "alert" }, `The description cannot be read: ${error.message}`));
    return;
  }
  page.replaceChildren();
  draw();
  goToFragment();
  session.askOtherTabs();
}

start();

// "Try it": one operation asked for real, with the caller's key, and the same as a curl command.

import { h, render } from "../dom.js";
import { resolve } from "./schema.js";

const kTextMax = 200_000; // more of an answer is not shown
const kStreamMs = 10_000; // a live stream is read for so long

/** A form that asks `operation` of the hub. `key()` gives the caller's key, or nothing. */
export function drawTryIt(document, operation, key) {
  const body = operation.item.requestBody?.content["application/json"];
  const parameters = operation.parameters.filter((each) => each.in !== "header");
  return h(
    "details",
    { class: "try" },
    h("summary", {}, "Try it"),
    h(
      "form",
      {
        class: "try-form",
        onsubmit: (event) => {
          event.preventDefault();
          send(event.currentTarget, operation, key());
        },
      },
      parameters.map((each) => drawInput(document, operation, each)),
      body && drawBody(operation, body),
      h("div", {}, h("button", { class: "button primary", type: "submit" }, `Send ${operation.method}`)),
      h("div", { class: "try-answer", role: "status" }),
    ),
  );
}

function drawInput(document, operation, parameter) {
  const id = `${operation.id}-${parameter.name}`;
  const schema = resolve(document, parameter.schema);
  const props = { id, name: parameter.name, "data-in": parameter.in, required: Boolean(parameter.required) };
  return h(
    "div",
    { class: "field", key: parameter.name },
    h("label", { class: parameter.required ? "field-name required" : "field-name", for: id }, parameter.name),
    schema.enum
      ? h("select", props, h("option", { value: "" }, "not given"), schema.enum.map((value) => h("option", { value }, value)))
      : h("input", { ...props, type: "text", autocomplete: "off", spellcheck: "false" }),
  );
}

function drawBody(operation, body) {
  const id = `${operation.id}-body`;
  return h(
    "div",
    { class: "field" },
    h("label", { class: "field-name", for: id }, "Body, as JSON"),
    h("textarea", { id, name: "body", "data-in": "body", spellcheck: "false", value: JSON.stringify(body.example ?? {}, null, 2) }),
  );
}

function requestOf(form, operation) {
  let path = operation.path;
  const query = new URLSearchParams();
  let body;
  for (const input of form.querySelectorAll("[data-in]")) {
    const place = input.getAttribute("data-in");
    if (place === "body") body = input.value;
    else if (place === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.set(input.name, input.value);
  }
  return { path: query.size > 0 ? `${path}?${query}` : path, body };
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curlOf(method, url, body) {
  const words = ["curl", "-X", method, '-H "Authorization: Bearer $SLIPWAY_KEY"'];
  if (body !== undefined) words.push("-H 'Content-Type: application/json'", "-d", quote(body));
  return [...words, quote(url)].join(" ");
}

async function send(form, operation, key) {
  const { path, body } = requestOf(form, operation);
  const command = curlOf(operation.method, location.origin + path, body);
  const show = (...lines) => render(form.querySelector(".try-answer"), h("pre", { class: "json", tabindex: "0" }, command), lines);
  show(h("p", {}, "Asking…"));
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (operation.method !== "GET") headers["Idempotency-Key"] = crypto.randomUUID();
  try {
    const response = await fetch(path, { method: operation.method, headers, body, signal: AbortSignal.timeout(kStreamMs) });
    const text = await read(response);
    const said = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    show(
      h("p", {}, h("strong", {}, `${response.status} ${response.statusText}`)),
      h("details", {}, h("summary", { class: "small" }, "Headers"), h("pre", { class: "json", tabindex: "0" }, said)),
      text && h("pre", { class: "json", tabindex: "0" }, pretty(text)),
    );
  } catch (error) {
    show(h("p", { class: "field-error" }, `There was no answer: ${error.message}`));
  }
}

// A stream that does not end is shown as far as it came.
async function read(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (let part = await reader?.read(); part && !part.done && text.length < kTextMax; part = await reader.read()) text += part.value;
  } catch (error) {
    if (error.name !== "TimeoutError") throw error;
  }
  return text.slice(0, kTextMax);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

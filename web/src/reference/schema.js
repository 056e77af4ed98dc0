// How a schema of the document is read by people: its type in a few words, its members as a list that opens.

import { h } from "../dom.js";

const kDepthMax = 6; // deeper than any of ours; ends schemas that name themselves

/** What `$ref` stands for, in `document`. */
export function resolve(document, node) {
  let found = node;
  while (found?.$ref) {
    found = found.$ref
      .replace(/^#\//, "")
      .split("/")
      .reduce((inner, name) => inner?.[name], document);
  }
  return found ?? {};
}

/** "string (date-time)", "array of Step", "one of stop, suspend". */
export function typeText(document, schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((each) => typeText(document, each)).join(" or ");
  if (schema.enum) return "one of " + schema.enum.map((value) => String(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return "array of " + typeText(document, schema.items ?? {});
  const type = [schema.type ?? "anything"].flat().join(" or ");
  return schema.format && !schema.format.startsWith("int") ? `${type} (${schema.format})` : type;
}

function limits(schema) {
  const said = [];
  if (schema.minimum !== undefined) said.push(`at least ${schema.minimum}`);
  if (schema.maximum !== undefined) said.push(`at most ${schema.maximum}`);
  if (schema.minLength !== undefined) said.push(`at least ${schema.minLength} characters`);
  if (schema.maxLength !== undefined) said.push(`at most ${schema.maxLength} characters`);
  if (schema.maxItems !== undefined) said.push(`at most ${schema.maxItems}`);
  if (schema.maxProperties !== undefined) said.push(`at most ${schema.maxProperties}`);
  if (schema.default !== undefined) said.push(`${JSON.stringify(schema.default)} if not given`);
  return said.join(", ");
}

/** One name with its type, what it means, and its limits. */
export function drawMember(document, name, schema, required, depth = 0) {
  const more = [schema.description, limits(schema)].filter(Boolean).join("; ");
  const inner = schema.items ?? (typeof schema.additionalProperties === "object" ? schema.additionalProperties : schema);
  return h(
    "li",
    { key: name },
    h("span", { class: "member-name" }, name),
    " ",
    h("span", { class: "member-type" }, typeText(document, schema) + (required ? ", required" : "")),
    more && h("div", { class: "small" }, more),
    drawMembers(document, inner, depth + 1),
  );
}

/** The members of an object, or nothing. Below the first level the list is closed until it is asked for. */
export function drawMembers(document, schema, depth = 0) {
  const object = resolve(document, schema);
  const members = Object.entries(object.properties ?? {});
  if (members.length === 0 || depth > kDepthMax) return null;
  const required = new Set(object.required ?? []);
  const list = () =>
    h(
      "ul",
      { class: "members" },
      members.map(([name, member]) => drawMember(document, name, member, required.has(name), depth)),
    );
  if (depth === 0) return list();
  return h("details", {}, h("summary", { class: "small" }, `${members.length} members`), list());
}

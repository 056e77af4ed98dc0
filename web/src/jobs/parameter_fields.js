// A template's parameters as fields of a form (RUN-24), and what of them is sent. A parameter's value is text, as the API
// has it; while it is filled in, a list is an array.

import { h } from "../dom.js";
import { icon } from "../parts.js";

const kRadiosMost = 5; // more options are a menu
const kUnchanged = "as it is";
const kDefault = "the template's default"; // which nobody is shown

export const pathOf = ({ name }) => `parameters/${name}`;
const labelOf = ({ displayName, name }) => displayName || name;

/** What a field begins with. `previous`: the value's text of the build before, if there was one. */
export function beginValue(parameter, previous) {
  if (parameter.sensitive) return "";
  const text = previous ?? parameter.defaultValue;
  if (parameter.type === "list") return listOf(text);
  return text ?? (parameter.type === "boolean" ? "false" : "");
}

function listOf(text) {
  try {
    return JSON.parse(text ?? "[]").map(String);
  } catch {
    return [];
  }
}

/**
 * What is sent of the fields' values: those that differ from the build before, for a first build those that were given.
 * One that was left empty and has no default is not given.
 */
export function givenParameters(parameters, values, previous = null) {
  const given = {};
  for (const parameter of parameters) {
    const text = textOf(parameter, values[pathOf(parameter)]);
    const isEmpty = text === "" || (text === "[]" && parameter.type === "list");
    const remembered = parameter.ephemeral ? undefined : previous?.[parameter.name];
    const before = previous ? (remembered ?? parameter.defaultValue) : undefined;
    const leftOut = isEmpty && (parameter.sensitive || (before ?? parameter.defaultValue ?? null) === null);
    if (!leftOut && (parameter.sensitive || text !== before)) given[parameter.name] = text;
  }
  return given;
}

function textOf({ type }, value) {
  return type === "list" ? JSON.stringify(value.filter(Boolean)) : value;
}

/** The field of one. `form` has `values`, `problemAt` and `redraw`; `isLocked`: it is shown, not to be changed. */
export function parameterField(form, parameter, { isLocked = false, hasPrevious = false } = {}) {
  const field = { form, parameter, path: pathOf(parameter), isLocked, hasPrevious };
  field.id = `field-${field.path.replaceAll(/[^A-Za-z0-9_]/g, "-")}`;
  field.problem = form.problemAt(field.path);
  const draw = isLocked && parameter.sensitive ? lockedSecret : widgetOf(parameter);
  return h("div", { class: "field parameter", key: field.path, "data-parameter": parameter.name }, draw(field));
}

function widgetOf({ type, options = [] }) {
  if (type === "boolean") return checkbox;
  if (type === "list") return options.length ? checkboxes : lines;
  if (!options.length) return line;
  return options.length <= kRadiosMost ? radios : menu;
}

// ---- one control with its label

function line(field) {
  const { parameter, hasPrevious } = field;
  const isNumber = parameter.type === "number";
  const type = parameter.sensitive ? "password" : isNumber ? "number" : "text";
  const control = h("input", {
    ...controlProps(field),
    type,
    autocomplete: parameter.sensitive ? "new-password" : "off",
    spellcheck: "false",
    autocapitalize: "off",
    placeholder: parameter.sensitive ? secretHint(parameter, hasPrevious) : null,
    min: isNumber ? (parameter.minimum ?? null) : null,
    max: isNumber ? (parameter.maximum ?? null) : null,
    step: isNumber ? "any" : null,
    value: valueOf(field),
    oninput: (event) => setValue(field, event.target.value),
  });
  return labelled(field, control, boundsText(parameter));
}

function secretHint({ defaultValue }, hasPrevious) {
  if (hasPrevious) return kUnchanged;
  return (defaultValue ?? null) === null ? null : kDefault;
}

function lines(field) {
  const control = h("textarea", {
    ...controlProps(field),
    rows: "3",
    spellcheck: "false",
    value: valueOf(field).join("\n"),
    oninput: (event) => setValue(field, event.target.value.split("\n")),
  });
  return labelled(field, control, "One on each line");
}

function menu(field) {
  const { parameter } = field;
  const none = valueOf(field) ? [] : [{ name: "Choose …", value: "" }];
  const control = h(
    "select",
    {
      ...controlProps(field),
      value: valueOf(field),
      onchange: (event) => (setValue(field, event.target.value), again(field)),
    },
    [...none, ...parameter.options].map(({ name, value }) => h("option", { value, key: value }, name || value)),
  );
  const chosen = parameter.options.find(({ value }) => value === valueOf(field));
  return labelled(field, control, chosen?.description);
}

function lockedSecret(field) {
  return labelled(field, h("input", { ...controlProps(field), type: "password", placeholder: kUnchanged }));
}

function labelled(field, control, more = null) {
  return [
    h("label", { class: "field-name", for: field.id }, labelText(field)),
    description(field),
    control,
    more ? h("p", { class: "hint" }, more) : null,
    foot(field),
  ];
}

const controlProps = ({ id, path, problem, isLocked, parameter }) => ({
  id,
  name: path,
  disabled: isLocked,
  "aria-required": parameter.required && !isLocked ? "true" : null,
  "aria-invalid": problem ? "true" : null,
  "aria-describedby":
    [parameter.description ? `${id}-about` : null, problem ? `${id}-error` : null].filter(Boolean).join(" ") || null,
});

// ---- several controls under one legend

function radios(field) {
  const { parameter, path } = field;
  return group(
    field,
    parameter.options.map((option) =>
      choiceOf(field, option, {
        type: "radio",
        name: path,
        checked: option.value === valueOf(field),
        onchange: () => (setValue(field, option.value), again(field)),
      }),
    ),
  );
}

function checkboxes(field) {
  const { parameter, path } = field;
  const toggle = (value, wanted) => {
    const others = valueOf(field).filter((each) => each !== value);
    setValue(field, wanted ? [...others, value] : others);
    again(field);
  };
  return group(
    field,
    parameter.options.map((option) =>
      choiceOf(field, option, {
        type: "checkbox",
        name: path,
        checked: valueOf(field).includes(option.value),
        onchange: (event) => toggle(option.value, event.target.checked),
      }),
    ),
  );
}

function choiceOf({ isLocked, problem }, { name, value, description: about }, props) {
  return h(
    "label",
    { class: "option", key: value },
    h("input", { ...props, value, disabled: isLocked, "aria-invalid": problem ? "true" : null }),
    h("span", null, h("strong", null, name || value), about ? h("span", { class: "muted small" }, about) : null),
  );
}

function group(field, controls) {
  return h(
    "fieldset",
    { "aria-describedby": field.problem ? `${field.id}-error` : null },
    h("legend", { class: "field-name" }, labelText(field)),
    description(field),
    h("div", { class: "options parameter-options" }, controls),
    foot(field),
  );
}

function checkbox(field) {
  return [
    h(
      "label",
      { class: "parameter-check" },
      h("input", {
        ...controlProps(field),
        type: "checkbox",
        checked: valueOf(field) === "true",
        onchange: (event) => setValue(field, String(event.target.checked)),
      }),
      h("span", { class: "field-name" }, labelText(field)),
    ),
    description(field),
    foot(field),
  ];
}

// ---- words

function labelText({ parameter, isLocked, hasPrevious }) {
  const isNeeded = parameter.required && !hasPrevious;
  const note = isLocked ? "locked" : isNeeded ? "required" : parameter.ephemeral ? "this time only" : null;
  return [
    labelOf(parameter),
    note ? h("span", { class: "parameter-note" }, isLocked ? icon("lock") : null, note) : null,
  ];
}

function description({ id, parameter }) {
  return parameter.description ? h("p", { class: "hint about", id: `${id}-about` }, parameter.description) : null;
}

function foot({ problem, isLocked }) {
  return problem ?? (isLocked ? h("p", { class: "hint" }, "Cannot be changed once the workspace is there.") : null);
}

function boundsText({ type, minimum, maximum }) {
  if (type !== "number") return null;
  const [least, most] = [Number.isFinite(minimum), Number.isFinite(maximum)];
  if (least && most) return `From ${minimum} to ${maximum}`;
  if (least) return `At least ${minimum}`;
  return most ? `At most ${maximum}` : null;
}

const valueOf = ({ form, path }) => form.values[path];
const setValue = ({ form, path }, value) => (form.values[path] = value);
const again = ({ form }) => form.redraw();

// The form that makes a workspace. The hub checks it; what it finds wrong is shown at the field that it names.

import { newIdempotencyKey } from "../api.js";
import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { button, errorBox, icon, skeleton, spinner } from "../parts.js";

// The fields of the request, and what the form calls them. The paths are those of the API's `details.field`.
const kTextFields = ["name", "image_tag", "metadata.repo", "metadata.branch"];

/** `onCreated(data)` gets the 202's data, after the dialog has closed. */
export function openCreateDialog(app, { onCreated, onClose }) {
  const form = new CreateForm(app, onCreated);
  const dialog = openDialog({ title: "New workspace", look: "create", body: () => form.draw(), onClose });
  form.begin(dialog);
  return dialog;
}

class CreateForm {
  #app;
  #onCreated;
  #dialog = null;
  #values = Object.fromEntries(kTextFields.map((name) => [name, ""]));
  #environment = []; // {name, value, id}
  #rowIds = 0;
  #providers = null;
  #providersError = null;
  #error = null;
  #busy = false;
  #attempt = null; // {body, key}: of a request whose outcome is unknown

  constructor(app, onCreated) {
    this.#app = app;
    this.#onCreated = onCreated;
  }

  async begin(dialog) {
    this.#dialog = dialog;
    try {
      this.#providers = (await this.#app.api.get("/v1/providers")).data;
      this.#chooseProvider(this.#providers[0]?.name);
    } catch (error) {
      if (!error.code) throw error;
      this.#providersError = error;
    }
    this.#redraw();
  }

  draw() {
    return h(
      "form",
      { onsubmit: (event) => (event.preventDefault(), this.#submit()), novalidate: true },
      this.#text("name", "Name", {
        autofocus: true,
        hint: "Lower-case letters, digits and -, at most 40",
        placeholder: "hello",
      }),
      this.#machine(),
      h(
        "details",
        { class: "more", open: this.#errorInMore() || undefined },
        h("summary", null, "More: repository, image, environment"),
        h(
          "div",
          { class: "pair" },
          this.#text("metadata.repo", "Repository", { placeholder: "https://…" }),
          this.#text("metadata.branch", "Branch", { placeholder: "main" }),
        ),
        this.#text("image_tag", "Image", { hint: "Leave empty for the provider's own" }),
        this.#environmentFields(),
      ),
      this.#fieldOf(this.#error) ? null : errorBox(this.#error),
      h(
        "div",
        { class: "dialog-buttons" },
        button("Cancel", () => this.#dialog.close(), { disabled: this.#busy }),
        button([this.#busy ? spinner() : null, "Create workspace"], null, {
          look: "primary",
          type: "submit",
          disabled: this.#busy,
        }),
      ),
    );
  }

  #redraw() {
    if (this.#dialog?.element.isConnected) this.#dialog.update();
  }

  #provider() {
    return this.#providers?.find((provider) => provider.name === this.#values.provider);
  }

  #chooseProvider(name) {
    this.#values.provider = name;
    this.#values.machine_type = machineTypes(this.#provider())[0]?.name;
    this.#values.zone = this.#provider()?.zones?.[0];
  }

  #text(path, label, { hint = null, placeholder = null, autofocus = false }) {
    const id = `create-${path.replace(".", "-")}`;
    const problem = this.#fieldOf(this.#error) === path ? this.#error : null;
    return h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: id }, label),
      h("input", {
        id,
        name: path,
        placeholder,
        autofocus,
        autocomplete: "off",
        spellcheck: "false",
        autocapitalize: "off",
        "aria-invalid": problem ? "true" : null,
        "aria-describedby": problem ? `${id}-error` : hint ? `${id}-hint` : null,
        oninput: (event) => (this.#values[path] = event.target.value),
      }),
      problem ? this.#problem(problem, `${id}-error`) : hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
    );
  }

  #problem(error, id) {
    return h(
      "p",
      { class: "field-error", id, role: "alert" },
      icon("alert"),
      error.details.reason ?? error.message,
      h("span", { class: "small muted" }, ` ${error.code}`, error.requestId ? ` · ${error.requestId}` : ""),
    );
  }

  #machine() {
    if (this.#providersError)
      return errorBox(this.#providersError, {
        title: "The choice of machines cannot be shown; the hub's default is used",
      });
    if (!this.#providers) return skeleton(2);
    const types = machineTypes(this.#provider());
    const zones = this.#provider()?.zones ?? [];
    return [
      this.#providers.length > 1
        ? this.#select(
            "provider",
            "Provider",
            this.#providers.map(({ name }) => [name, name]),
            (name) => this.#chooseProvider(name),
          )
        : null,
      h(
        "fieldset",
        {
          class: "machines",
          "aria-describedby": this.#fieldOf(this.#error) === "machine_type" ? "machines-error" : null,
        },
        h("legend", { class: "field-name" }, "Machine"),
        h(
          "div",
          { class: "machine-cards" },
          types.map((type) =>
            h(
              "label",
              { class: "machine", key: type.name },
              h("input", {
                type: "radio",
                name: "machine_type",
                value: type.name,
                checked: type.name === this.#values.machine_type,
                onchange: () => (this.#values.machine_type = type.name),
              }),
              h("span", null, h("strong", null, type.name), h("span", { class: "muted small" }, sizeOf(type))),
            ),
          ),
        ),
        this.#fieldOf(this.#error) === "machine_type" ? this.#problem(this.#error, "machines-error") : null,
      ),
      zones.length > 1
        ? this.#select(
            "zone",
            "Zone",
            zones.map((zone) => [zone, zone]),
          )
        : null,
    ];
  }

  #select(path, label, options, onchange = (value) => (this.#values[path] = value)) {
    const problem = this.#fieldOf(this.#error) === path ? this.#error : null;
    return h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: `create-${path}` }, label),
      h(
        "select",
        {
          id: `create-${path}`,
          name: path,
          value: this.#values[path],
          onchange: (event) => (onchange(event.target.value), this.#redraw()),
        },
        options.map(([value, text]) => h("option", { value, key: value }, text)),
      ),
      problem ? this.#problem(problem, `create-${path}-error`) : null,
    );
  }

  #environmentFields() {
    const problem = this.#fieldOf(this.#error) === "environment" ? this.#error : null;
    const row = (entry, index) =>
      h(
        "div",
        { class: "environment-row", key: entry.id },
        h("input", {
          placeholder: "NAME",
          "aria-label": `Variable ${index + 1}: name`,
          spellcheck: "false",
          autocomplete: "off",
          ref: (node) => setTimeout(() => node.focus()),
          oninput: (event) => (entry.name = event.target.value),
        }),
        h("input", {
          placeholder: "value",
          "aria-label": `Variable ${index + 1}: value`,
          spellcheck: "false",
          autocomplete: "off",
          oninput: (event) => (entry.value = event.target.value),
        }),
        h(
          "button",
          {
            type: "button",
            class: "plain",
            "aria-label": `Remove variable ${index + 1}`,
            onclick: () => this.#removeVariable(entry),
          },
          icon("cross"),
        ),
      );
    return h(
      "fieldset",
      { class: "environment" },
      h("legend", { class: "field-name" }, "Environment"),
      h("p", { class: "hint" }, "For your programs. Values are sealed and never shown again."),
      this.#environment.map(row),
      problem ? this.#problem(problem, "environment-error") : null,
      button("Add variable", () => this.#addVariable(), { look: "small-button", iconName: "plus" }),
    );
  }

  #addVariable() {
    this.#environment.push({ id: this.#rowIds++, name: "", value: "" });
    this.#redraw();
  }
  #removeVariable(entry) {
    this.#environment = this.#environment.filter((other) => other !== entry);
    this.#redraw();
  }

  // The form's field that an error belongs to; null when it has none here.
  #fieldOf(error) {
    const field = error?.details?.field;
    if (!field) return null;
    if (field.startsWith("environment")) return "environment";
    const known = [
      ...kTextFields,
      ...(this.#providers ? ["machine_type"] : []),
      ...(this.#providers?.length > 1 ? ["provider"] : []),
      ...(this.#provider()?.zones?.length > 1 ? ["zone"] : []),
    ];
    return known.includes(field) ? field : null;
  }
  #errorInMore() {
    const field = this.#fieldOf(this.#error);
    return field === "environment" || field === "image_tag" || field?.startsWith("metadata.");
  }

  #body() {
    const body = {};
    for (const path of [...kTextFields, "provider", "machine_type", "zone"]) {
      const value = this.#values[path]?.trim();
      if (!value && path !== "name") continue;
      const [head, tail] = path.split(".");
      if (tail) (body[head] ??= {})[tail] = value;
      else body[head] = value;
    }
    const variables = this.#environment.filter(({ name, value }) => name || value);
    if (variables.length)
      body.environment = Object.fromEntries(variables.map(({ name, value }) => [name.trim(), value]));
    return body;
  }

  async #submit() {
    if (this.#busy) return;
    const body = this.#body();
    const text = JSON.stringify(body);
    // Sent again after a lost answer it must be the same request; corrected, another one.
    if (this.#attempt?.text !== text) this.#attempt = { text, key: newIdempotencyKey() };
    this.#busy = true;
    this.#error = null;
    this.#redraw();
    try {
      const { data } = await this.#app.api.post("/v1/workspaces", body, { idempotencyKey: this.#attempt.key });
      this.#app.announce(`Creating ${body.name}`);
      this.#dialog.close();
      this.#onCreated(data);
    } catch (error) {
      if (!error.code) throw error;
      if (!error.outcomeUnknown) this.#attempt = null;
      this.#error = error;
    } finally {
      this.#busy = false;
      this.#redraw();
      this.#dialog.element.querySelector("[aria-invalid=true]")?.focus();
    }
  }
}

const machineTypes = (provider) => provider?.machine_types ?? [];

function sizeOf({ cpus, memory_mb: memory }) {
  const parts = [];
  if (cpus) parts.push(`${cpus} CPU${cpus === 1 ? "" : "s"}`);
  if (memory) parts.push(memory >= 1024 ? `${Math.round((memory / 1024) * 10) / 10} GB` : `${memory} MB`);
  return parts.join(" · ");
}

// The form that makes a workspace. The hub checks it; what it finds wrong is shown at the field that it names.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { DialogForm } from "../form.js";
import { button, errorBox, icon, skeleton } from "../parts.js";
import { href } from "../router.js";

const kTemplatesMost = 12; // offered here; all are on their page

// The fields of the request, and what the form calls them. The paths are those of the API's `details.field`.
const kTextFields = ["name", "image_tag", "metadata.repo", "metadata.branch"];

/** `onCreated(data)` gets the 202's data, after the dialog has closed. */
export function openCreateDialog(app, { onCreated, onClose }) {
  const form = new CreateForm(app, onCreated);
  const dialog = openDialog({ title: "New workspace", look: "create", body: () => form.draw(), onClose });
  form.begin(dialog);
  return dialog;
}

class CreateForm extends DialogForm {
  verb = "Create workspace";
  values = Object.fromEntries(kTextFields.map((name) => [name, ""]));
  #app;
  #onCreated;
  #environment = []; // {name, value, id}
  #rowIds = 0;
  #providers = null;
  #providersError = null;
  #templates = []; // that a workspace could be made from instead

  constructor(app, onCreated) {
    super();
    this.#app = app;
    this.#onCreated = onCreated;
  }

  async begin(dialog) {
    super.begin(dialog);
    this.#offerTemplates();
    try {
      this.#providers = (await this.#app.api.get("/v1/providers")).data;
      this.#chooseProvider(this.#providers[0]?.name);
    } catch (error) {
      if (!error.code) throw error;
      this.#providersError = error;
    }
    this.redraw();
  }

  // They are a way out of this form: what goes wrong with them, their own page tells.
  async #offerTemplates() {
    try {
      const query = { limit: kTemplatesMost, deprecated: "false" };
      const { data } = await this.#app.api.get("/v1/templates", { query });
      this.#templates = data.filter(({ activeVersion }) => activeVersion);
      this.redraw();
    } catch (error) {
      if (!error.code) throw error;
    }
  }

  #templateLinks() {
    if (!this.#templates.length) return null;
    const link = ({ name, displayName }) => h("a", { key: name, href: href(["templates", name, "new"]) }, displayName);
    return h(
      "p",
      { class: "template-links" },
      h("span", { class: "muted" }, "From a template:"),
      this.#templates.map(link),
    );
  }

  fields() {
    return [
      this.#templateLinks(),
      this.text("name", "Name", {
        autofocus: true,
        hint: "Lower-case letters, digits and -, at most 40",
        placeholder: "hello",
      }),
      this.#machine(),
      h(
        "details",
        { class: "more", open: this.#problemInMore() || undefined },
        h("summary", null, "More: repository, image, environment"),
        h(
          "div",
          { class: "pair" },
          this.text("metadata.repo", "Repository", { placeholder: "https://…" }),
          this.text("metadata.branch", "Branch", { placeholder: "main" }),
        ),
        this.text("image_tag", "Image", { hint: "Leave empty for the provider's own" }),
        this.#environmentFields(),
      ),
    ];
  }

  #provider() {
    return this.#providers?.find((provider) => provider.name === this.values.provider);
  }

  #chooseProvider(name) {
    this.values.provider = name;
    this.values.machine_type = machineTypes(this.#provider())[0]?.name;
    this.values.zone = this.#provider()?.zones?.[0];
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
          "aria-describedby": this.problemAt("machine_type") ? "field-machine_type-error" : null,
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
                checked: type.name === this.values.machine_type,
                onchange: () => (this.values.machine_type = type.name),
              }),
              h("span", null, h("strong", null, type.name), h("span", { class: "muted small" }, sizeOf(type))),
            ),
          ),
        ),
        this.problemAt("machine_type"),
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

  #select(path, label, options, onchange = (value) => (this.values[path] = value)) {
    return h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: `field-${path}` }, label),
      h(
        "select",
        {
          id: `field-${path}`,
          name: path,
          value: this.values[path],
          onchange: (event) => (onchange(event.target.value), this.redraw()),
        },
        options.map(([value, text]) => h("option", { value, key: value }, text)),
      ),
      this.problemAt(path),
    );
  }

  #environmentFields() {
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
      this.problemAt("environment"),
      button("Add variable", () => this.#addVariable(), { look: "small-button", iconName: "plus" }),
    );
  }

  #addVariable() {
    this.#environment.push({ id: this.#rowIds++, name: "", value: "" });
    this.redraw();
  }
  #removeVariable(entry) {
    this.#environment = this.#environment.filter((other) => other !== entry);
    this.redraw();
  }

  fieldNames() {
    return [
      ...kTextFields,
      "environment",
      ...(this.#providers ? ["machine_type"] : []),
      ...(this.#providers?.length > 1 ? ["provider"] : []),
      ...(this.#provider()?.zones?.length > 1 ? ["zone"] : []),
    ];
  }
  #problemInMore() {
    return (
      kTextFields.some((name) => name !== "name" && this.problemAt(name)) || this.problemAt("environment") !== null
    );
  }

  body() {
    const body = {};
    for (const path of [...kTextFields, "provider", "machine_type", "zone"]) {
      const value = this.values[path]?.trim();
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

  send(body, options) {
    return this.#app.api.post("/v1/workspaces", body, options);
  }
  done({ data }) {
    this.#app.announce(`Creating ${data.workspace.name}`);
    this.#onCreated(data);
  }
}

const machineTypes = (provider) => provider?.machine_types ?? [];

function sizeOf({ cpus, memory_mb: memory }) {
  const parts = [];
  if (cpus) parts.push(`${cpus} CPU${cpus === 1 ? "" : "s"}`);
  if (memory) parts.push(memory >= 1024 ? `${Math.round((memory / 1024) * 10) / 10} GB` : `${memory} MB`);
  return parts.join(" · ");
}

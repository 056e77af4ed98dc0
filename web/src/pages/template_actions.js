// What an admin changes of a template, and what is asked before.

import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { DialogForm } from "../form.js";
import { templatePath } from "./build_form.js";

export function askToDeprecate({ name }, act) {
  let reason = "";
  openConfirmation({
    title: `Deprecate ${name}?`,
    verb: "Deprecate",
    ready: () => reason.trim() !== "",
    content: (dialog) => [
      h("p", null, "No new workspaces are made of it; those that exist go on."),
      h(
        "label",
        { class: "field" },
        h("span", { class: "field-name" }, "Why, and what to use instead"),
        h("input", {
          name: "reason",
          maxlength: "500",
          autocomplete: "off",
          autofocus: true,
          oninput: (event) => ((reason = event.target.value), dialog.update()),
        }),
      ),
    ],
    act: () => act(reason.trim()),
  });
}

const kTexts = ["displayName", "description", "icon"];

export class TemplateForm extends DialogForm {
  verb = "Save";
  #app;
  #name;
  #saved;

  constructor(app, template, saved) {
    super();
    this.#app = app;
    this.#name = template.name;
    this.#saved = saved;
    for (const name of kTexts) this.values[name] = template[name] ?? "";
    this.values.jobsMax = template.jobsMax ? String(template.jobsMax) : "";
  }

  fieldNames() {
    return [...kTexts, "jobsMax"];
  }
  fields() {
    const field = (name, label, more = {}) => this.text(name, label, { value: this.values[name], ...more });
    return [
      field("displayName", "Name for people", { autofocus: true }),
      field("description", "Description"),
      field("icon", "Icon", { hint: "An emoji, or the address of a picture" }),
      field("jobsMax", "Jobs at once", { type: "number", min: "1", hint: "Leave empty for no limit" }),
    ];
  }
  body() {
    const { jobsMax, ...texts } = this.values;
    return { ...texts, jobsMax: jobsMax === "" ? null : Number(jobsMax) };
  }
  send(body) {
    return this.#app.api.patch(templatePath(this.#name), body);
  }
  done() {
    this.#app.announce("Saved");
    this.#saved();
  }
}

// Forms. The hub checks what is sent; what it finds wrong is shown at the field that it names.

import { newIdempotencyKey } from "./api.js";
import { h } from "./dom.js";
import { button, errorBox, icon, spinner } from "./parts.js";

/**
 * A form wherever it stands. Its class says `fields()`, `verb`, and `fieldNames()`: the API's paths (`details.field`)
 * that it shows errors at; an error of another field stands above the buttons. `body()` is what is sent,
 * `send(body, options)` calls the API, `done(answer)` follows. And where it stands: `redraw()`, `close()` and `element()`.
 */
export class Form {
  values = {};
  busy = false;
  look = null;
  #error = null;
  #attempt = null; // {text, key}: of a request whose outcome is unknown

  draw() {
    return h(
      "form",
      { class: this.look, onsubmit: (event) => (event.preventDefault(), this.submit()), novalidate: true },
      this.fields(),
      this.#atField() ? null : errorBox(this.#error),
      h(
        "div",
        { class: "dialog-buttons" },
        button("Cancel", () => this.close(), { disabled: this.busy }),
        button([this.busy ? spinner() : null, this.verb], null, {
          look: "primary",
          type: "submit",
          disabled: this.busy,
        }),
      ),
    );
  }

  /** A labelled line of text. */
  text(path, label, { hint = null, ...props } = {}) {
    const id = idOf(path);
    const problem = this.problemAt(path);
    return h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: id }, label),
      h("input", {
        id,
        name: path,
        autocomplete: "off",
        spellcheck: "false",
        autocapitalize: "off",
        "aria-invalid": problem ? "true" : null,
        "aria-describedby": problem ? `${id}-error` : hint ? `${id}-hint` : null,
        oninput: (event) => (this.values[path] = event.target.value),
        ...props,
      }),
      problem ?? (hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null),
    );
  }

  /** What the hub found wrong with a field, to stand below it; its id is that of the field with `-error`. */
  problemAt(path) {
    if (this.#atField() !== path) return null;
    const { code, message, details, requestId } = this.#error;
    return h(
      "p",
      { class: "field-error", id: `${idOf(path)}-error`, role: "alert" },
      icon("alert"),
      details.reason ?? message,
      h("span", { class: "small muted" }, ` ${code}`, requestId ? ` · ${requestId}` : ""),
    );
  }

  async submit() {
    if (this.busy) return;
    const body = this.body();
    const text = JSON.stringify(body);
    // Sent again after a lost answer it must be the same request; corrected, another one.
    if (this.#attempt?.text !== text) this.#attempt = { text, key: newIdempotencyKey() };
    this.busy = true;
    this.#error = null;
    this.redraw();
    try {
      const answer = await this.send(body, { idempotencyKey: this.#attempt.key });
      this.sent(answer);
    } catch (error) {
      if (!error.code) throw error;
      if (!error.outcomeUnknown) this.#attempt = null;
      this.#error = error;
    } finally {
      this.busy = false;
      this.redraw();
      this.element()?.querySelector("[aria-invalid=true]")?.focus();
    }
  }

  sent(answer) {
    this.done(answer);
  }

  // The form's field that the error belongs to; null when it has none here.
  #atField() {
    const field = this.#error?.details?.field;
    return this.fieldNames().find((name) => field === name || field?.startsWith(`${name}.`)) ?? null;
  }
}

/** One in a dialog, which closes when the hub has accepted. */
export class DialogForm extends Form {
  dialog = null;

  begin(dialog) {
    this.dialog = dialog;
  }
  redraw() {
    if (this.dialog?.element.isConnected) this.dialog.update();
  }
  element() {
    return this.dialog.element;
  }
  close() {
    this.dialog.close();
  }
  sent(answer) {
    this.close();
    super.sent(answer);
  }
}

const idOf = (path) => `field-${path.replaceAll(/[^A-Za-z0-9_]/g, "-")}`;

// Signing in with an API key. The key is tried before it is kept.

import { Api } from "../api.js";
import { h } from "../dom.js";
import { button, errorBox, spinner } from "../parts.js";

export class SignInPage {
  title = "Sign in";
  #app;
  #redraw;
  #busy = false;
  #error;

  constructor(app, _route, redraw) {
    this.#app = app;
    this.#redraw = redraw;
    this.#error = app.session.error;
  }

  draw() {
    return h(
      "div",
      { class: "sign-in-card" },
      h("img", { src: "icon.svg", alt: "", width: "44", height: "44" }),
      h("h1", { tabindex: "-1" }, "Sign in to Slipway"),
      h("p", { class: "muted" }, "Use the link that the hub printed when it started, or paste an API key."),
      h(
        "form",
        { onsubmit: (event) => this.#submit(event), novalidate: true },
        h("label", { class: "field" }, h("span", { class: "field-name" }, "API key"), keyInput()),
        errorBox(this.#error),
        button([this.#busy ? spinner() : null, "Sign in"], null, {
          look: "primary wide",
          type: "submit",
          disabled: this.#busy,
        }),
      ),
      h(
        "p",
        { class: "small muted" },
        "The key stays in the tabs of this hub and is forgotten when the last one closes.",
      ),
    );
  }

  async #submit(event) {
    event.preventDefault();
    const input = event.target.elements.key;
    const key = input.value.trim();
    if (!key || this.#busy) return input.focus();
    this.#busy = true;
    this.#error = null;
    this.#redraw();
    try {
      await new Api({ key, refused() {} }).get("/v1/me");
      this.#app.session.signIn(key);
      this.#app.announce("Signed in");
    } catch (failure) {
      if (!failure.code) throw failure;
      this.#error = failure;
      input.select();
    } finally {
      this.#busy = false;
      this.#redraw();
    }
  }
}

function keyInput() {
  return h("input", {
    name: "key",
    type: "password",
    autocomplete: "current-password",
    spellcheck: "false",
    placeholder: "slk_…",
    autofocus: true,
    ref: (node) => setTimeout(() => node.focus()),
  });
}

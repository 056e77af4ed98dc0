// A shell in a workspace.

import { h } from "../dom.js";
import { Loader } from "../loader.js";
import { backLink, button, errorBox, icon, pageHead, plainBadge, skeleton } from "../parts.js";
import { href } from "../router.js";
import { forgetTerminal, terminalOf } from "../terminal/open_terminals.js";

const kStates = {
  connecting: ["Connecting", "busy"],
  open: ["Connected", "good"],
  interrupted: ["Connection lost, going on as soon as it is back", "wait"],
  ended: ["Ended", "idle"],
  lost: ["Lost", "bad"],
};

export class TerminalPage {
  #app;
  #id;
  #redraw;
  #loader;
  #terminal = null;
  #shownState = null;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#redraw = redraw;
    const path = `/v1/workspaces/${encodeURIComponent(this.#id)}`;
    this.#loader = new Loader(
      (signal) => app.api.get(path, { signal }),
      () => this.#loaded(),
    );
    this.#loader.refresh();
  }

  get title() {
    return this.#loader.data ? `${this.#loader.data.name}: terminal` : "Terminal";
  }

  dispose() {
    this.#loader.dispose();
    if (this.#terminal) this.#terminal.onChange = this.#terminal.onLeave = () => {};
    this.#terminal?.screen?.element.remove(); // it goes on without being seen
    if (this.#terminal?.session?.over || this.#terminal?.error) forgetTerminal(this.#id);
  }

  draw() {
    const workspace = this.#loader.data;
    const back = backLink(href(["workspaces", this.#id]), workspace?.name ?? "Workspace");
    if (!workspace) return [back, pageHead(this.title), errorBox(this.#loader.error) ?? skeleton(6)];
    const terminal = this.#terminal;
    if (terminal.error) return [back, pageHead(this.title), notInThisBuild(terminal.error, workspace)];
    return [
      back,
      pageHead(this.title, stateBadge(terminal.state), this.#settings()),
      this.#ending(),
      terminal.screen ? this.#frame() : skeleton(12),
      h(
        "p",
        { class: "muted small terminal-hint" },
        h("kbd", null, "Ctrl+C"),
        " copies what is selected, ",
        h("kbd", null, "Ctrl+Shift+V"),
        " pastes, ",
        h("kbd", null, "Ctrl+Shift+Space"),
        " leaves the terminal. The shell stays while you look at other pages, and ends with this tab.",
      ),
    ];
  }

  #loaded() {
    const workspace = this.#loader.data;
    if (workspace && !this.#terminal) {
      this.#terminal = terminalOf(this.#app, workspace);
      this.#terminal.onChange = () => this.#changed();
      this.#terminal.onLeave = () => document.querySelector(".terminal-settings button")?.focus();
    }
    this.#redraw();
  }

  #changed() {
    const { state } = this.#terminal;
    if (state !== this.#shownState && state !== "open") this.#app.announce(kStates[state][0]);
    this.#shownState = state;
    this.#redraw();
  }

  #frame() {
    const { screen } = this.#terminal;
    const put = (node) => {
      node.append(screen.element);
      // Once it is on the page, and before the next key: what is typed as soon as it is seen is typed into it.
      queueMicrotask(() => node.isConnected && this.#terminal.show());
    };
    return h("div", { class: "terminal-frame", key: "frame", ref: put });
  }

  #settings() {
    const terminal = this.#terminal;
    if (!terminal.screen) return null;
    const size = (steps, label, iconName) =>
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-label": label,
          title: label,
          onclick: () => terminal.changeSize(steps),
        },
        icon(iconName),
      );
    return h(
      "div",
      { class: "terminal-settings" },
      size(-1, "Smaller text", "dash"),
      size(1, "Larger text", "plus"),
      h(
        "label",
        { class: "check" },
        h("input", {
          type: "checkbox",
          checked: terminal.settings.screenReaderMode,
          onchange: (event) => terminal.setScreenReader(event.target.checked),
        }),
        "For screen readers",
      ),
    );
  }

  #ending() {
    const { session } = this.#terminal;
    if (!session?.over) return null;
    const again = button("Open another", () => this.#terminal.begin(), { look: "primary small-button" });
    if (session.state === "lost")
      return [errorBox(session.error, { title: "The terminal is gone" }), h("p", null, again)];
    return h(
      "div",
      { class: "note", role: "status" },
      icon(session.exit.code === 0 ? "check" : "alert"),
      h("p", { class: "note-text" }, endingText(session.exit)),
      again,
    );
  }
}

function endingText({ code, signal, error_code: errorCode, error_message: message }) {
  if (code === 0) return "The shell has ended.";
  if (code !== undefined && code !== null) return `The shell has ended with exit code ${code}.`;
  if (signal) return `The shell was ended by the signal ${signal}.`;
  return `The shell could not go on: ${message} (${errorCode})`;
}

function stateBadge(state) {
  const [text, tone] = kStates[state];
  return plainBadge(text, tone);
}

function notInThisBuild(error, { name }) {
  return [
    errorBox(error, { title: "No terminal here" }),
    h("p", null, "From your own terminal: ", h("code", null, `slipway ssh ${name}`)),
  ];
}

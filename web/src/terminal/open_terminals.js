// The terminals of this tab, at most one for each workspace. They stay open while other pages are looked at.

import { connectTo } from "./connection.js";
import { loadScreen, Screen } from "./screen.js";
import { TerminalSession } from "./session.js";

const kName = "xterm-256color";
const kSettingsName = "slipway-terminal";
const kSizes = [10, 12, 13, 14, 16, 18, 22, 28];
const kDefaults = { fontSize: 14, screenReaderMode: false };

const terminals = new Map(); // workspace id → OpenTerminal

/** That of the workspace, made when there is none. `onChange()` is told when its state changes. */
export function terminalOf(app, workspace) {
  let terminal = terminals.get(workspace.id);
  if (!terminal) {
    terminal = new OpenTerminal(app.api, workspace);
    terminals.set(workspace.id, terminal);
    app.atSignOut(() => forgetTerminal(workspace.id));
  }
  return terminal;
}

/** Ends it, and what runs in it. */
export function forgetTerminal(workspaceId) {
  terminals.get(workspaceId)?.dispose();
  terminals.delete(workspaceId);
}

// Leaving the dashboard ends what runs in them, so the browser asks first.
addEventListener("beforeunload", (event) => {
  if ([...terminals.values()].some(({ session }) => session && !session.over)) event.preventDefault();
});
// Without this the agent would keep the shells of closed tabs for a while, for nobody.
addEventListener("pagehide", () => [...terminals.keys()].forEach(forgetTerminal));

class OpenTerminal {
  settings = { ...kDefaults, ...readSettings() };
  /** Null until the screen's code is there; see `error`. */
  screen = null;
  session = null;
  /** Why there is no screen. */
  error = null;
  onChange = () => {};
  onLeave = () => {};
  #api;
  #workspace;
  #gone = false;

  constructor(api, workspace) {
    this.#api = api;
    this.#workspace = workspace;
    this.#load();
  }

  get state() {
    return this.session?.state ?? "connecting";
  }

  /** Its screen is on the page: begins the session, the first time. */
  show() {
    this.screen.show();
    if (!this.session) this.begin();
  }

  /** A new session on the same screen. */
  begin() {
    this.session?.close();
    const command = { terminal: kName, size: this.screen.size };
    this.session = new TerminalSession(() => connectTo(this.#api, this.#workspace.id), command, {
      onOutput: (bytes, done) => this.screen.write(bytes, done),
      onState: () => this.onChange(),
    });
    this.screen.focus();
    this.onChange();
  }

  changeSize(steps) {
    const at = kSizes.indexOf(this.settings.fontSize);
    this.#set("fontSize", kSizes[Math.min(Math.max(at + steps, 0), kSizes.length - 1)]);
  }
  setScreenReader(on) {
    this.#set("screenReaderMode", on);
  }

  dispose() {
    this.#gone = true;
    this.session?.close();
    this.screen?.dispose();
  }

  async #load() {
    try {
      const parts = await loadScreen();
      if (this.#gone) return;
      this.screen = new Screen(
        parts,
        { ...this.settings, label: `Terminal in ${this.#workspace.name}` },
        {
          onInput: (bytes) => this.session?.write(bytes),
          onResize: (size) => this.session?.resize(size),
          onLeave: () => this.onLeave(),
        },
      );
    } catch (error) {
      if (!error.code) throw error;
      this.error = error;
    }
    this.onChange();
  }

  #set(name, value) {
    this.settings[name] = value;
    this.screen?.set(name, value);
    localStorage.setItem(kSettingsName, JSON.stringify(this.settings));
    this.onChange();
  }
}

function readSettings() {
  try {
    const { fontSize, screenReaderMode } = JSON.parse(localStorage.getItem(kSettingsName)) ?? {};
    return {
      fontSize: kSizes.includes(fontSize) ? fontSize : kDefaults.fontSize,
      screenReaderMode: screenReaderMode === true,
    };
  } catch {
    return {}; // written by something else
  }
}

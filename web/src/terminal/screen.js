// What a terminal looks like and how it is typed into: xterm.js, in our colours, light and dark.

import { addStyles } from "../styles.js";
import { takeStylesStrictly } from "./strict_styles.js";

const kPackage = "../../packages/xterm/";
const kContrast = 4.5; // WCAG AA: programs choose their colours for a background that they guess

const kLight = {
  background: "#ffffff",
  foreground: "#1a212b",
  cursor: "#2f5bd8",
  cursorAccent: "#ffffff",
  selectionBackground: "#c5d4ff",
  black: "#1a212b",
  red: "#b3261e",
  green: "#14713f",
  yellow: "#8a5300",
  blue: "#2449b3",
  magenta: "#6b3fb0",
  cyan: "#0b6a75",
  white: "#586273",
  brightBlack: "#4f5969",
  brightRed: "#c5372e",
  brightGreen: "#1d8048",
  brightYellow: "#996000",
  brightBlue: "#2f5bd8",
  brightMagenta: "#7d51c4",
  brightCyan: "#0f7986",
  brightWhite: "#1a212b",
};
const kDark = {
  background: "#10151b",
  foreground: "#e4e9f0",
  cursor: "#86a5ff",
  cursorAccent: "#0e1217",
  selectionBackground: "#33457e",
  black: "#272f3a",
  red: "#ff9a92",
  green: "#6ed39c",
  yellow: "#efbc5f",
  blue: "#86a5ff",
  magenta: "#c3a6f5",
  cyan: "#6fd0dc",
  white: "#c9d2df",
  brightBlack: "#9aa5b5",
  brightRed: "#ffb5af",
  brightGreen: "#93e2b6",
  brightYellow: "#f6d28d",
  brightBlue: "#a6bdff",
  brightMagenta: "#d6c2f9",
  brightCyan: "#96dfe8",
  brightWhite: "#ffffff",
};

/** This hub was built without npm's packages. */
export class NotInThisBuild extends Error {
  code = "NOT_IN_THIS_BUILD";
}

/** Fetches what a Screen is made of, once. */
export async function loadScreen() {
  try {
    const [{ Terminal }, { FitAddon }] = await Promise.all([
      import(kPackage + "xterm.mjs"),
      import(kPackage + "addon-fit.mjs"),
      addStyles(new URL(kPackage + "xterm.css", import.meta.url)),
    ]);
    return { Terminal, FitAddon };
  } catch (error) {
    throw new NotInThisBuild("The terminal is not part of this hub: it was built without npm.", { cause: error });
  }
}

export class Screen {
  /** Where it is drawn: to be put into a page, taken out, and put in again. */
  element = document.createElement("div");
  #terminal;
  #fit = null;
  #FitAddon;
  #dark = matchMedia("(prefers-color-scheme: dark)");
  #giveBackStyles = takeStylesStrictly();
  #observer = new ResizeObserver(() => this.fit());
  #recolour = () => (this.#terminal.options.theme = this.#dark.matches ? kDark : kLight);

  /** Handlers: `onInput(bytes)`, `onResize({rows, columns})`, `onLeave()`: the keyboard wants out. */
  constructor({ Terminal, FitAddon }, { fontSize, screenReaderMode, label }, handlers) {
    this.#FitAddon = FitAddon;
    this.element.className = "terminal-screen";
    this.#terminal = new Terminal({
      fontSize,
      screenReaderMode,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
      theme: this.#dark.matches ? kDark : kLight,
      minimumContrastRatio: kContrast,
      scrollback: 5_000,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    this.#terminal.attachCustomKeyEventHandler((event) => this.#onKey(event, handlers.onLeave));
    const encoder = new TextEncoder();
    this.#terminal.onData((text) => handlers.onInput(encoder.encode(text)));
    this.#terminal.onBinary((text) => handlers.onInput(Uint8Array.from(text, (byte) => byte.charCodeAt(0))));
    this.#terminal.onResize(({ rows, cols }) => handlers.onResize({ rows, columns: cols }));
    this.#dark.addEventListener("change", this.#recolour);
    this.label = label;
  }

  get size() {
    return { rows: this.#terminal.rows, columns: this.#terminal.cols };
  }

  /** Once its element is on the page, where it can be measured. */
  show() {
    if (!this.#fit) {
      this.#terminal.open(this.element);
      this.#terminal.textarea.setAttribute("aria-label", this.label);
      this.#fit = new this.#FitAddon();
      this.#terminal.loadAddon(this.#fit);
      this.#observer.observe(this.element);
    }
    this.fit();
    this.focus();
  }

  fit() {
    if (this.element.isConnected) this.#fit?.fit();
  }
  focus() {
    this.#terminal.focus();
  }
  write(bytes, done) {
    this.#terminal.write(bytes, done);
  }
  set(option, value) {
    this.#terminal.options[option] = value;
    this.fit();
  }

  dispose() {
    this.#observer.disconnect();
    this.#dark.removeEventListener("change", this.#recolour);
    this.#terminal.dispose();
    this.element.remove();
    this.#giveBackStyles();
  }

  // False: not for the program. Ctrl+C copies while something is selected; the browser does it.
  #onKey(event, onLeave) {
    if (event.type !== "keydown" || !event.ctrlKey) return true;
    if (event.shiftKey && event.code === "Space") {
      event.preventDefault();
      onLeave();
      return false;
    }
    if (event.code !== "KeyC" || !this.#terminal.hasSelection()) return true;
    if (event.shiftKey) {
      event.preventDefault(); // in some browsers this opens the developer's tools
      document.execCommand("copy");
    }
    return false;
  }
}

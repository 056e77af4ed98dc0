// A log on the page, of any length: lines stand in chunks, and only those near what is looked at are in the document.
// It draws by itself, because comparing a hundred thousand lines for each that comes would be too slow.

import { h, render } from "../dom.js";
import { capitalized, duration, spaced } from "../format.js";
import { icon, statusIcon, tone } from "../parts.js";
import { offsetText } from "./log_model.js";

const kChunkLines = 200;
const kLineHeight = 22; // about; what was drawn once is measured
const kMargin = "1200px 0px"; // that much beyond the view is drawn
const kAtEndPx = 30; // so near is at the end

export class LogView {
  #frame = null; // what scrolls
  #sections = []; // {section, element, head, chunks, folded}
  #observer = null;
  #chunkOf = new WeakMap(); // element → chunk
  #origin = 0;
  #follows;
  #lastTop = 0;
  #lastHeight = 0;
  #onFollow;

  /** `onFollow()`: it began or stopped to follow what is written, because of how the user scrolled. */
  constructor({ follows, onFollow }) {
    this.#follows = follows;
    this.#onFollow = onFollow;
  }

  get follows() {
    return this.#follows;
  }

  /** For `ref` of the element that scrolls. */
  mount(frame) {
    this.#frame = frame;
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { root: frame, rootMargin: kMargin });
    frame.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  dispose() {
    this.#observer?.disconnect();
  }

  follow() {
    this.#setFollows(true);
    this.#toEnd();
  }

  /** Draws what has come to these sections of the model since the last time. */
  update(sections) {
    if (!this.#frame) return;
    this.#origin ||= sections[0]?.startedAt ?? 0;
    sections.forEach((section, index) => {
      this.#sections[index] ??= this.#makeSection(section);
      this.#extend(this.#sections[index]);
    });
    this.#toEnd();
  }

  /** Draws the sections' heads: `states` as of `sectionStates`. */
  drawStates(states) {
    this.#sections.forEach((view, index) => {
      const { status, tookMs } = states[index];
      view.element.dataset.status = status;
      view.element.className = `stage tone-${tone(status)}`;
      render(view.head, this.#headButton(view, status, tookMs));
    });
  }

  // ---- sections

  #makeSection(section) {
    const element = document.createElement("section");
    const head = element.appendChild(document.createElement("h3"));
    element.dataset.stage = section.stage;
    this.#frame.append(element);
    return { section, element, head, chunks: [], folded: false, drawn: 0 };
  }

  #headButton(view, status, tookMs) {
    const fold = () => {
      view.folded = !view.folded;
      for (const { element } of view.chunks) element.hidden = view.folded;
      render(view.head, this.#headButton(view, status, tookMs));
    };
    return h(
      "button",
      { type: "button", class: "stage-button", "aria-expanded": String(!view.folded), onclick: fold },
      icon(view.folded ? "right" : "down"),
      h("span", { class: "step-icon" }, statusIcon(status)),
      h("span", { class: "stage-name" }, view.section.stage),
      h("span", { class: "visually-hidden" }, `, ${capitalized(spaced(status))}, `),
      h("span", { class: "number muted" }, duration(tookMs)),
    );
  }

  #extend(view) {
    const { lines } = view.section;
    while (view.drawn < lines.length) {
      let chunk = view.chunks.at(-1);
      if (!chunk || chunk.end - chunk.begin === kChunkLines) chunk = this.#makeChunk(view);
      const end = Math.min(chunk.begin + kChunkLines, lines.length);
      if (chunk.filled) for (let at = chunk.end; at < end; ++at) chunk.element.append(this.#line(lines[at]));
      chunk.end = view.drawn = end;
      if (!chunk.filled) chunk.element.style.height = `${(chunk.end - chunk.begin) * kLineHeight}px`;
    }
  }

  #makeChunk(view) {
    const element = document.createElement("ol");
    element.hidden = view.folded;
    view.element.append(element);
    const chunk = { element, lines: view.section.lines, begin: view.drawn, end: view.drawn, filled: false };
    view.chunks.push(chunk);
    this.#chunkOf.set(element, chunk);
    this.#observer.observe(element);
    return chunk;
  }

  // ---- what is in the document

  #seen(entries) {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const chunk = this.#chunkOf.get(target);
      if (isIntersecting && !chunk.filled) this.#fill(chunk);
      else if (!isIntersecting && chunk.filled && !target.hidden) this.#clear(chunk, boundingClientRect.height);
    }
    this.#toEnd();
  }

  #fill(chunk) {
    chunk.filled = true;
    chunk.element.style.height = "";
    chunk.element.append(...chunk.lines.slice(chunk.begin, chunk.end).map((line) => this.#line(line)));
  }

  #clear(chunk, height) {
    chunk.filled = false;
    chunk.element.style.height = `${height}px`;
    chunk.element.replaceChildren();
  }

  #line({ number, level, source, at, output, leftOut }) {
    const line = document.createElement("li");
    line.className = leftOut ? "left-out" : `line-${level}`;
    line.dataset.line = number;
    if (leftOut) {
      line.textContent = `${leftOut.toLocaleString()} lines left out`;
      return line;
    }
    const loud = level === "warn" || level === "error";
    line.append(span("line-time", offsetText(at - this.#origin)));
    line.append(span("line-text", loud ? span("line-level", `${level} `) : "", output));
    if (source === "daemon") line.classList.add("line-daemon");
    return line;
  }

  // ---- following

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#frame;
    const wentUp = scrollTop < this.#lastTop - 1 && scrollHeight >= this.#lastHeight;
    this.#lastTop = scrollTop;
    this.#lastHeight = scrollHeight;
    if (scrollHeight - scrollTop - clientHeight < kAtEndPx) this.#setFollows(true);
    else if (wentUp) this.#setFollows(false);
  }

  #toEnd() {
    if (!this.#follows || !this.#frame) return;
    this.#frame.scrollTop = this.#frame.scrollHeight;
    this.#lastTop = this.#frame.scrollTop;
    this.#lastHeight = this.#frame.scrollHeight;
  }

  #setFollows(follows) {
    if (follows === this.#follows) return;
    this.#follows = follows;
    this.#onFollow();
  }
}

function span(look, ...content) {
  const element = document.createElement("span");
  element.className = look;
  element.append(...content);
  return element;
}

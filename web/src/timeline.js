// A run's steps over time: one row each, its attempts and waits where they lay. Rows open to show what is known of a
// step; items of a fan-out fold; the time can be looked at closer.

import { h } from "./dom.js";
import { capitalized, clockTime, duration, relative, spaced } from "./format.js";
import { facts, icon, json, statusIcon, tone } from "./parts.js";
import { href } from "./router.js";
import { doneAgain, eventsByStep, nest, segmentsOf, spanOf, withPrevious } from "./run_model.js";

const kTicksMost = 5;
const kZoomMost = 4096;
const kZoomStep = 2;
const kUnfoldedMost = 6; // items of a fan-out that are shown without being asked for
const kItemsMost = 200; // drawn at once; the rest is told as a number

export class Timeline {
  #redraw;
  #open = new Set(); // names of steps whose details are shown
  #folded = new Map(); // name of a fan-out → what the user chose
  #zoom = 1;
  #center = 0.5; // what is in the middle, as part of the whole

  constructor(redraw) {
    this.#redraw = redraw;
  }

  /** `now` is the hub's time in ms: what still runs grows up to it. */
  draw(run, events, now) {
    const whole = spanOf(run, now);
    const view = this.#viewOf(whole);
    const known = { byStep: eventsByStep(withPrevious(events)), again: doneAgain(run.steps ?? []), view, now };
    return h(
      "div",
      { class: "timeline" },
      h("div", { class: "axis" }, this.#zoomButtons(), axis(view, whole.from)),
      h(
        "ol",
        { class: "steps", "aria-label": "Steps", onkeydown: moveWithArrows },
        nest(run.steps ?? []).map((node) => this.#node(node, 0, known)),
      ),
    );
  }

  // The window of time that is looked at.
  #viewOf({ from, to }) {
    const half = 0.5 / this.#zoom;
    const center = Math.min(Math.max(this.#center, half), 1 - half);
    const length = to - from;
    return { from: from + (center - half) * length, to: from + (center + half) * length };
  }

  #zoomTo(zoom, center = this.#center) {
    this.#zoom = Math.min(Math.max(zoom, 1), kZoomMost);
    const half = 0.5 / this.#zoom;
    this.#center = Math.min(Math.max(center, half), 1 - half);
    this.#redraw();
  }

  #zoomButtons() {
    const control = (label, iconName, disabled, act) =>
      h(
        "button",
        { type: "button", class: "plain", "aria-label": label, title: label, disabled, onclick: act },
        icon(iconName),
      );
    const closer = this.#zoom > 1;
    const step = 0.5 / this.#zoom;
    return h(
      "div",
      { class: "zoom", role: "group", "aria-label": "Time shown" },
      control("Closer", "plus", this.#zoom >= kZoomMost, () => this.#zoomTo(this.#zoom * kZoomStep)),
      control("Wider", "dash", !closer, () => this.#zoomTo(this.#zoom / kZoomStep)),
      closer ? control("Earlier", "left", false, () => this.#zoomTo(this.#zoom, this.#center - step)) : null,
      closer ? control("Later", "right", false, () => this.#zoomTo(this.#zoom, this.#center + step)) : null,
      closer ? control("All of it", "fit", false, () => this.#zoomTo(1, 0.5)) : null,
    );
  }

  #node({ step, items }, depth, known) {
    const folded = this.#isFolded(step, items);
    const shown = folded ? [] : items.slice(0, kItemsMost);
    const left = folded ? 0 : items.length - shown.length;
    return [
      this.#row(step, items, depth, folded, known),
      shown.map((item) => this.#node(item, depth + 1, known)),
      left ? h("li", { class: "step-more muted small", key: `${step.name} more` }, `and ${left} more items`) : null,
    ];
  }

  #isFolded(step, items) {
    return this.#folded.get(step.name) ?? items.length > kUnfoldedMost;
  }

  #row(step, items, depth, folded, { byStep, again, view, now }) {
    const state = capitalized(spaced(step.status));
    const wentOn = step.status === "failed" && again.has(step.name);
    const took = step.durationMs ?? (step.startedAt && !step.completedAt ? now - Date.parse(step.startedAt) : null);
    const segments = segmentsOf(step, byStep.get(step.name), now);
    const open = this.#open.has(step.name);
    return h(
      "li",
      {
        class: `step tone-${wentOn ? "wait" : tone(step.status)}`,
        key: step.name,
        "data-step": step.name,
        "data-status": step.status,
        style: { "--depth": String(depth) },
      },
      h("span", { class: "step-icon", title: state }, wentOn ? icon("again") : statusIcon(step.status)),
      h(
        "span",
        { class: "step-name" },
        items.length ? this.#fold(step, items, folded) : null,
        h(
          "button",
          {
            type: "button",
            class: "step-button",
            "aria-expanded": String(open),
            onclick: () => this.#toggle(step.name),
          },
          h("span", { class: "visually-hidden" }, `${state}: `),
          step.name,
        ),
        note(step, now),
      ),
      h(
        "span",
        { class: "track", "aria-hidden": "true", ondblclick: () => this.#zoomIn(segments, view) },
        step.items === undefined
          ? segments.map((each, index) => bar(each, index, view, step))
          : fanOutBar(segments, view),
      ),
      h(
        "span",
        { class: "step-time" },
        took === null ? h("span", { class: "muted" }, step.status === "pending" ? "pending" : "–") : duration(took),
      ),
      step.error ? h("p", { class: "step-error" }, step.error.message, " ", h("code", null, step.error.code)) : null,
      open ? details(step, segments, byStep.get(step.name) ?? [], now) : null,
    );
  }

  #fold(step, items, folded) {
    const label = `${folded ? "Show" : "Hide"} the ${items.length} items of ${step.name}`;
    const act = () => (this.#folded.set(step.name, !folded), this.#redraw());
    return h(
      "button",
      { type: "button", class: "plain fold", "aria-expanded": String(!folded), "aria-label": label, onclick: act },
      icon(folded ? "right" : "down"),
    );
  }

  #toggle(name) {
    if (!this.#open.delete(name)) this.#open.add(name);
    this.#redraw();
  }

  // What was pressed twice fills the view.
  #zoomIn(segments, view) {
    if (!segments.length) return;
    const length = (view.to - view.from) * this.#zoom;
    const start = view.from - (this.#center - 0.5 / this.#zoom) * length;
    const [from, to] = [segments[0].from, segments.at(-1).to];
    this.#zoomTo(length / Math.max((to - from) * 1.2, 1), ((from + to) / 2 - start) / length);
  }
}

function moveWithArrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.classList.contains("step-button")) return;
  const buttons = [...event.currentTarget.querySelectorAll(".step-button")];
  const next = buttons[buttons.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function axis({ from, to }, start) {
  const step = tickStep(to - from);
  const ticks = [];
  for (let at = Math.ceil((from - start) / step) * step; at <= to - start; at += step) ticks.push(at);
  return h(
    "div",
    { class: "axis-track", "aria-hidden": "true" },
    ticks.map((at) => {
      const part = (at + start - from) / (to - from);
      return h(
        "span",
        { class: part > 0.95 ? "tick at-end" : "tick", key: at, style: { left: percent(part) } },
        h("span", null, tickText(at)),
      );
    }),
  );
}

const tickText = (at) => (at === 0 ? "0" : duration(at).replace(".0 ", " "));

// 1, 2 or 5 times a power of ten in ms, seconds or minutes: the finest that gives few enough ticks.
function tickStep(length) {
  for (const unit of [1, 1000, 60_000, 3_600_000]) {
    const top = unit < 60_000 ? (unit === 1 ? 1000 : 60) : 60;
    for (const factor of [1, 2, 5, 10, 20, 50, 100, 200, 500]) {
      if (factor < top && length / (unit * factor) <= kTicksMost) return unit * factor;
    }
  }
  return Math.ceil(length / kTicksMost / 86_400_000) * 86_400_000;
}

function bar({ kind, from, to, error, open }, index, view, { status }) {
  const place = placeOf(from, to, view);
  if (!place) return null;
  const done = kind === "attempt" && status.startsWith("compensat"); // it was undone later, but had been done
  const look = [kind, error ? "failed" : done ? "done" : "", open ? "open" : ""].filter(Boolean).join(" ");
  return h("span", { class: `bar ${look}`, key: index, style: place });
}

// Its items say what went on; it is the bracket around them.
function fanOutBar(segments, view) {
  if (!segments.length) return null;
  const place = placeOf(segments[0].from, segments.at(-1).to, view);
  return place && h("span", { class: "bar bracket", key: "bracket", style: place });
}

function placeOf(from, to, view) {
  const length = view.to - view.from;
  const left = Math.max(0, (from - view.from) / length);
  const right = Math.min(1, (to - view.from) / length);
  if (right < 0 || left > 1) return null;
  return { left: `min(${percent(left)}, 100% - 4px)`, width: percent(Math.max(right - left, 0)) };
}

function note(step, now) {
  const parts = [];
  if (step.items !== undefined) parts.push(`${step.items} items`);
  if (step.takenOver) parts.push("taken over");
  if (step.attempts > 1) parts.push(`attempt ${step.attempts}`);
  if (step.nextAttemptAt && !step.completedAt) {
    const wait = Date.parse(step.nextAttemptAt) - now;
    parts.push(wait >= 1000 ? `again ${relative(-wait)}` : "again now");
  }
  return parts.length ? h("span", { class: "step-note" }, ` ${parts.join(", ")}`) : null;
}

function details(step, segments, events, now) {
  const result = events.find(({ type }) => type === "step_completed")?.data?.result;
  const at = (iso) => (iso ? h("time", { datetime: iso }, clockTime(iso)) : null);
  const child = step.childRunId;
  return h(
    "div",
    { class: "step-details" },
    facts([
      ["Kind", step.kind ? spaced(step.kind) : null],
      ["Began", at(step.startedAt)],
      ["Ended", at(step.completedAt)],
      ["Child run", child ? h("a", { href: href(["runs", child]) }, h("code", null, child)) : null],
      ["Next attempt", step.nextAttemptAt && !step.completedAt ? relative(now - Date.parse(step.nextAttemptAt)) : null],
    ]),
    segments.length > 1 ? attempts(segments) : null,
    step.heartbeat !== undefined && step.heartbeat !== null ? ["Its last heartbeat", json(step.heartbeat)] : null,
    result !== undefined && result !== null ? ["What came of it", json(result)] : null,
    step.startedAt ? null : h("p", { class: "muted small" }, "It has not begun."),
  );
}

function attempts(segments) {
  const words = { attempt: "Attempt", wait: "Wait", undo: "Undo" };
  return h(
    "ol",
    { class: "attempts" },
    segments.map(({ kind, from, to, attempt, error }, index) =>
      h(
        "li",
        { key: index, class: error ? "failed" : null },
        `${words[kind]}${kind === "wait" ? "" : ` ${attempt}`}: ${duration(to - from)}`,
        error ? [", failed: ", error.message, " ", h("code", null, error.code)] : null,
      ),
    ),
  );
}

const percent = (part) => `${(part * 100).toFixed(3)}%`;

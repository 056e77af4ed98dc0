// A run's steps over time: one row each, its bar where it lay.

import { h } from "./dom.js";
import { capitalized, duration, relative, spaced } from "./format.js";
import { statusIcon, tone } from "./parts.js";

const kTicksMost = 5;

/** `now` is the hub's time in ms: what still runs grows up to it. */
export function timeline(run, now) {
  const span = spanOf(run, now);
  const steps = run.steps ?? [];
  return h(
    "div",
    { class: "timeline" },
    axis(span),
    h(
      "ol",
      { class: "steps", "aria-label": "Steps" },
      steps.map((step, index) => row(step, `${index} ${step.name}`, span, now)),
    ),
  );
}

function spanOf(run, now) {
  const steps = run.steps ?? [];
  const starts = [run.startedAt, ...steps.map((step) => step.startedAt)].filter(Boolean).map(Date.parse);
  const ends = [run.completedAt, ...steps.map((step) => step.completedAt)].filter(Boolean).map(Date.parse);
  const start = starts.length ? Math.min(...starts) : now;
  const end = run.completedAt ? Math.max(...ends) : Math.max(now, ...ends);
  return { start, length: Math.max(end - start, 1) };
}

function axis({ length }) {
  const step = tickStep(length);
  const ticks = [];
  for (let at = 0; at <= length; at += step) ticks.push(at);
  return h(
    "div",
    { class: "axis", "aria-hidden": "true" },
    h(
      "div",
      { class: "axis-track" },
      ticks.map((at) =>
        h(
          "span",
          { class: at / length > 0.95 ? "tick at-end" : "tick", key: at, style: { left: percent(at / length) } },
          h("span", null, tickText(at)),
        ),
      ),
    ),
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

function row(step, key, span, now) {
  const took = step.durationMs ?? (step.startedAt && !step.completedAt ? now - Date.parse(step.startedAt) : null);
  const state = capitalized(spaced(step.status));
  return h(
    "li",
    { class: `step tone-${tone(step.status)}`, key, "data-step": step.name, "data-status": step.status },
    h(
      "span",
      { class: "step-icon", title: state },
      statusIcon(step.status),
      h("span", { class: "visually-hidden" }, `${state}: `),
    ),
    h("span", { class: "step-name" }, step.name, note(step, now)),
    h("span", { class: "track", "aria-hidden": "true" }, bar(step, span, took)),
    h(
      "span",
      { class: "step-time" },
      took === null ? h("span", { class: "muted" }, step.status === "pending" ? "pending" : "–") : duration(took),
    ),
    step.error ? h("p", { class: "step-error" }, step.error.message, " ", h("code", null, step.error.code)) : null,
  );
}

function bar(step, span, took) {
  if (!step.startedAt) return null;
  const left = Math.max(0, (Date.parse(step.startedAt) - span.start) / span.length);
  const width = Math.min(1 - left, Math.max(took ?? 0, 0) / span.length);
  return h("span", { class: "bar", style: { left: `min(${percent(left)}, 100% - 4px)`, width: percent(width) } });
}

function note(step, now) {
  const parts = [];
  if (step.attempts > 1) parts.push(`attempt ${step.attempts}`);
  if (step.nextAttemptAt && !step.completedAt) {
    const wait = Date.parse(step.nextAttemptAt) - now;
    parts.push(wait >= 1000 ? `again ${relative(-wait)}` : "again now");
  }
  return parts.length ? h("span", { class: "step-note" }, ` ${parts.join(", ")}`) : null;
}

const percent = (part) => `${(part * 100).toFixed(3)}%`;

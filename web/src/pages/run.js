// One run: its steps over time, what went wrong, its journal.

import { askToCancel } from "../actions.js";
import { h } from "../dom.js";
import { capitalized, clockTime, duration, spaced } from "../format.js";
import { ago, backLink, badge, button, errorBox, facts, json, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";
import { RunFollower, runHasEnded, runTook } from "../run_follower.js";
import { timeline } from "../timeline.js";
import { resourceLink } from "./runs.js";

const kRedrawMs = 200; // while it runs: bars and durations grow
const kEventsShown = 500; // a long journal's newest; the whole is one API call away

export class RunPage {
  #app;
  #redraw;
  #follower;
  #timer;
  #shownStatus = null;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#redraw = redraw;
    this.#follower = new RunFollower(app.api, segments[1], () => this.#changed());
    this.#timer = setInterval(() => !runHasEnded(this.#follower.run) && redraw(), kRedrawMs);
  }

  get title() {
    return this.#follower.run?.type ?? "Run";
  }

  dispose() {
    clearInterval(this.#timer);
    this.#follower.dispose();
  }

  draw() {
    const { run } = this.#follower;
    const error = errorBox(this.#follower.error, { title: "Cannot load this run" });
    const back = backLink(href(["runs"]), "Runs");
    if (!run) return [back, pageHead("Run"), error ?? skeleton(6)];
    const now = this.#app.api.now();
    const ended = runHasEnded(run);
    const cancel = ended ? null : button("Cancel run", () => this.#cancel(), { look: "danger-outline" });
    return [
      back,
      pageHead(run.type, badge(run.status), cancel),
      error,
      runError(run),
      summary(run, now),
      stepsCard(run, now),
      journal(run, this.#follower.events),
    ];
  }

  #changed() {
    const status = this.#follower.run?.status;
    if (this.#shownStatus && status !== this.#shownStatus) this.#app.announce(`Run ${status}`);
    this.#shownStatus = status;
    this.#redraw();
  }

  #cancel() {
    askToCancel(this.#app.api, this.#follower.run, () => {
      this.#app.announce("Cancel asked for");
      this.#follower.refresh();
    });
  }
}

/** Why a run failed; nothing when it did not. */
export function runError({ error }) {
  return errorBox(error, { title: error?.step ? `Failed at ${error.step}` : "Failed" });
}

function summary(run, now) {
  return h(
    "section",
    { class: "card", "aria-label": "Summary" },
    facts([
      ["Run", h("code", null, run.id)],
      ["Of", resourceLink(run)],
      ["Asked by", run.triggeredBy ? h("code", null, run.triggeredBy) : null],
      ["Started", ago(run.startedAt, now, "not yet")],
      ["Duration", h("span", { class: "number" }, duration(runTook(run, now)))],
    ]),
  );
}

function stepsCard(run, now) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "steps-title" },
    h("h2", { id: "steps-title" }, "Steps"),
    runHasEnded(run) ? null : progressBar(run),
    timeline(run, now),
  );
}

function progressBar({ progress }) {
  const known = Number.isFinite(progress);
  return h("progress", { max: "100", "aria-label": "Progress", value: known ? progress : null });
}

function journal(run, events) {
  const shown = events.slice(-kEventsShown);
  const start = Date.parse(run.startedAt ?? events[0]?.at);
  return h(
    "section",
    { class: "card", "aria-labelledby": "journal-title" },
    h("h2", { id: "journal-title" }, "Journal ", h("span", { class: "count" }, events.length)),
    events.length > shown.length ? h("p", { class: "muted small" }, `The newest ${kEventsShown} are shown.`) : null,
    h(
      "ol",
      { class: "journal" },
      shown.map((event) => journalRow(event, start)),
    ),
  );
}

function journalRow(event, start) {
  const data = event.data && Object.keys(event.data).length ? event.data : null;
  const offset = `+${duration(Date.parse(event.at) - start)}`;
  return h(
    "li",
    { key: event.seq, "data-seq": event.seq },
    h("span", { class: "journal-seq" }, event.seq),
    h("time", { class: "journal-time", datetime: event.at, title: clockTime(event.at) }, offset),
    h(
      "span",
      { class: "journal-type" },
      capitalized(spaced(event.type)),
      event.step ? [" ", h("code", null, event.step)] : null,
    ),
    data ? h("details", { class: "journal-data" }, h("summary", null, "data"), json(data)) : null,
  );
}

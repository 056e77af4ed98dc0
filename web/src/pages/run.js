// One run: its steps over time, what went wrong and what to do, what happened.

import { askToCancel, askToRetry, canRetry } from "../actions.js";
import { h } from "../dom.js";
import { duration, relative } from "../format.js";
import { Loader } from "../loader.js";
import { ago, backLink, badge, button, errorBox, facts, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";
import { runError } from "../run_card.js";
import { RunFollower, runHasEnded, runTook } from "../run_follower.js";
import { Timeline } from "../timeline.js";
import { historyCard } from "./run_history.js";
import { resourceLink } from "./runs.js";
import { whyCard } from "./workspace_cards.js";

const kRedrawMs = 200; // while it runs: bars and durations grow
const kWhyEveryMs = 3_000; // an explanation is worth no more than a look now and then

export class RunPage {
  #app;
  #id;
  #query;
  #redraw;
  #follower;
  #why;
  #timeline;
  #timers;
  #shownStatus = null;

  constructor(app, { segments, query }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#query = query;
    this.#redraw = redraw;
    this.#timeline = new Timeline(redraw);
    this.#follower = new RunFollower(app.api, this.#id, () => this.#changed());
    this.#why = new Loader((signal) => app.api.get(`/v1/why/${encodeURIComponent(this.#id)}`, { signal }), redraw);
    const under = (act) => () => !document.hidden && !runHasEnded(this.#follower.run) && act();
    this.#timers = [
      setInterval(under(redraw), kRedrawMs),
      setInterval(
        under(() => this.#why.refresh()),
        kWhyEveryMs,
      ),
    ];
  }

  get title() {
    return this.#follower.run?.type ?? "Run";
  }

  onRoute({ query }) {
    this.#query = query;
  }

  dispose() {
    this.#timers.forEach(clearInterval);
    this.#follower.dispose();
    this.#why.dispose();
  }

  draw() {
    const { run, events } = this.#follower;
    const error = errorBox(this.#follower.error, { title: "Cannot load this run" });
    const back = backLink(href(["runs"]), "Runs");
    if (!run) return [back, pageHead("Run"), error ?? skeleton(6)];
    const now = this.#app.api.now();
    return [
      back,
      pageHead(run.type, badge(run.status), this.#actions(run)),
      error,
      runError(run),
      run.status === "completed" ? null : whyCard(this.#why, now),
      summary(run, events, now),
      stepsCard(run, this.#timeline.draw(run, events, now)),
      historyCard(run, events, this.#query, (change) => this.#go(change)),
    ];
  }

  #go(change) {
    this.#app.navigate(["runs", this.#id], { ...this.#query, ...change }, { replace: true });
  }

  #changed() {
    const status = this.#follower.run?.status;
    if (status !== this.#shownStatus) {
      if (this.#shownStatus) this.#app.announce(`Run ${status}`);
      this.#why.refresh();
    }
    this.#shownStatus = status;
    this.#redraw();
  }

  #actions(run) {
    const { api, announce, navigate } = this.#app;
    const cancelled = () => {
      announce("Cancel asked for");
      this.#follower.refresh();
    };
    const retried = ({ data }) => {
      announce("Retried as a new run");
      navigate(["runs", data.run.id]);
    };
    if (canRetry(run))
      return button("Retry", () => askToRetry(api, run, retried), { look: "primary", iconName: "again" });
    if (runHasEnded(run)) return null;
    return button("Cancel run", () => askToCancel(api, run, cancelled), { look: "danger-outline" });
  }
}

const runLink = (id) => h("a", { key: id, class: "mono", href: href(["runs", id]) }, id);

function summary(run, events, now) {
  const children = events.filter(({ type }) => type === "child_started").map(({ data }) => data.child);
  const estimate = Date.parse(run.estimatedCompletionAt);
  return h(
    "section",
    { class: "card", "aria-label": "Summary" },
    facts([
      ["Run", h("code", null, run.id)],
      ["Of", resourceLink(run)],
      ["Asked by", run.triggeredBy ? h("code", null, run.triggeredBy) : null],
      ["Started", ago(run.startedAt, now, "not yet")],
      ["Duration", h("span", { class: "number" }, duration(runTook(run, now)))],
      [
        "Done, probably",
        !runHasEnded(run) && estimate ? (estimate > now ? relative(now - estimate) : "any moment") : null,
      ],
      ["Retry of", run.retryOf ? runLink(run.retryOf) : null],
      ["Retried by", run.retriedBy?.length ? [run.retriedBy].flat().map(runLink) : null],
      ["Part of", run.parentRunId ? runLink(run.parentRunId) : null],
      ["Its own runs", children.length ? childLinks(children) : null],
    ]),
  );
}

function childLinks(ids) {
  if (ids.length === 1) return runLink(ids[0]);
  return h(
    "details",
    null,
    h("summary", null, `${ids.length} runs`),
    h("div", { class: "run-links" }, ids.map(runLink)),
  );
}

function stepsCard(run, timeline) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "steps-title" },
    h("h2", { id: "steps-title" }, "Steps"),
    runHasEnded(run) ? null : progressBar(run),
    timeline,
  );
}

function progressBar({ progress }) {
  const known = Number.isFinite(progress);
  return h("progress", { max: "100", "aria-label": "Progress", value: known ? progress : null });
}

// What begins by the calendar: all of it, and one schedule with its past and its next times. For admins.

import { Deeds } from "../deeds.js";
import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { capitalized, duration, fullTime, spaced } from "../format.js";
import { ListPage } from "../list_page.js";
import { Loader } from "../loader.js";
import {
  actionsColumn,
  ago,
  backLink,
  badge,
  button,
  emptyState,
  errorBox,
  facts,
  json,
  pageHead,
  skeleton,
  table,
} from "../parts.js";
import { href } from "../router.js";

const kRefreshMs = 5_000; // times pass without an event
const kPath = "/v1/schedules";

const runLink = (id, text) => h("a", { href: href(["runs", id]) }, text);
const canPause = ({ status }) => status === "active" || status === "error";

// What both pages do with a schedule.
class ScheduleDeeds extends Deeds {
  #app;
  constructor(app, refresh, redraw) {
    super(app, refresh, redraw);
    this.#app = app;
  }
  buttons(schedule, look = "") {
    const { name } = schedule;
    const post = (verb, body = {}) => this.#app.api.post(`${kPath}/${encodeURIComponent(schedule.id)}/${verb}`, body);
    const trigger = async () => {
      const answer = await this.do(`Started ${name}`, () => post("trigger"));
      if (answer?.data?.run) this.#app.navigate(["runs", answer.data.run.id]);
    };
    const resume = () => this.do(`Resumed ${name}`, () => post("resume"));
    const pause = () =>
      askForReason(`Pause ${name}?`, "Nothing begins by this schedule until it is resumed.", (reason) =>
        this.do(`Paused ${name}`, () => post("pause", reason ? { reason } : {})),
      );
    return [
      button("Run now", trigger, { look, iconName: "play", disabled: this.busy, name: `Run now: ${name}` }),
      schedule.status === "paused"
        ? button("Resume", resume, { look, disabled: this.busy, name: `Resume ${name}` })
        : null,
      canPause(schedule)
        ? button("Pause", pause, { look, iconName: "pause", disabled: this.busy, name: `Pause ${name}` })
        : null,
    ];
  }
}

/** Asks why something is paused; the answer may be empty. Also for queues and webhooks. */
export function askForReason(title, text, act) {
  let reason = "";
  openConfirmation({
    title,
    verb: "Pause",
    content: () => [
      h("p", null, text),
      h(
        "label",
        { class: "field" },
        h("span", { class: "field-name" }, "Why (for others to read)"),
        h("input", {
          name: "reason",
          maxlength: "500",
          autocomplete: "off",
          autofocus: true,
          oninput: (event) => (reason = event.target.value),
        }),
      ),
    ],
    act: () => act(reason.trim()),
  });
}

export class SchedulesPage extends ListPage {
  title = "Schedules";
  trouble = "Cannot load the schedules";
  words = ["schedule", "schedules"];

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: kPath, section: ["schedules"], everyMs: kRefreshMs });
    this.deeds = new ScheduleDeeds(app, () => this.refresh(), redraw);
  }

  none() {
    return emptyState("No schedules", "Make one: slipway schedules create");
  }

  columns(now) {
    return [
      { name: "Schedule", look: "cell-main", cell: nameCell },
      { name: "Status", look: "cell-status", cell: statusCell },
      { name: "When", cell: ({ cron, timeZone }) => [h("code", null, cron), h("span", { class: "sub" }, timeZone)] },
      { name: "Next", cell: ({ nextAt }) => ago(nextAt, now) },
      { name: "Last", cell: (row) => (row.lastRunId ? runLink(row.lastRunId, ago(row.lastStartedAt, now)) : "never") },
      actionsColumn((row) => this.deeds.buttons(row, "small-button")),
    ];
  }
}

function nameCell({ name, type, declared }) {
  return [
    h("a", { class: "row-link", href: href(["schedules", name]) }, name),
    h("span", { class: "sub" }, type, declared ? " · the hub's own" : ""),
  ];
}

function statusCell({ status, pause, error }) {
  const why = error?.message ?? pause?.reason;
  return [badge(status), why ? h("span", { class: "sub" }, why) : null];
}

export class SchedulePage {
  #app;
  #name;
  #loader;
  #deeds;
  #timer;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#name = segments[1];
    const path = `${kPath}/${encodeURIComponent(this.#name)}`;
    this.#loader = new Loader((signal) => app.api.get(path, { signal }), redraw);
    this.#deeds = new ScheduleDeeds(app, () => this.#loader.refresh(), redraw);
    this.#timer = setInterval(() => document.hidden || this.#loader.refresh(), kRefreshMs);
    this.#loader.refresh();
  }

  get title() {
    return this.#loader.data?.name ?? this.#name;
  }
  dispose() {
    clearInterval(this.#timer);
    this.#loader.dispose();
  }

  draw() {
    const { data: schedule, error } = this.#loader;
    const back = backLink(href(["schedules"]), "Schedules");
    if (!schedule) return [back, pageHead(this.title), errorBox(error) ?? skeleton(5)];
    const now = this.#app.api.now();
    return [
      back,
      pageHead(schedule.name, badge(schedule.status), this.#deeds.buttons(schedule)),
      this.#deeds.draw(),
      errorBox(error, { title: "Cannot refresh" }),
      pauseNote(schedule.pause, now),
      schedule.error ? errorBox({ code: "SCHEDULE_ERROR", message: schedule.error.message }) : null,
      h("div", { class: "columns" }, about(schedule, now), nextTimes(schedule, now)),
      outcomes(schedule.lastOutcomes ?? [], now),
    ];
  }
}

/** By whom and why something stands still. Also for queues. */
export function pauseNote(pause, now) {
  if (!pause) return null;
  return h(
    "p",
    { class: "note" },
    h(
      "span",
      { class: "note-text" },
      "Paused ",
      ago(pause.at, now),
      " by ",
      h("code", null, pause.by),
      pause.reason ? `: ${pause.reason}` : "",
    ),
  );
}

function about(schedule, now) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "about" },
    h("h2", { id: "about" }, "About"),
    facts([
      ["Starts", h("a", { href: href(["runs"], { type: schedule.type }) }, schedule.type)],
      ["When", [h("code", null, schedule.cron), ` (${schedule.timeZone})`]],
      ["At most later", schedule.jitterMs ? duration(schedule.jitterMs) : null],
      ["While one is at work", capitalized(spaced(schedule.overlap))],
      ["Made up for", `up to ${duration(schedule.catchUpMs)} late`],
      ["Starts left", schedule.remaining],
      ["Counted", `${schedule.started} started, ${schedule.skipped} skipped, ${schedule.missed} missed`],
      ["Changed", ago(schedule.updatedAt, now)],
    ]),
    h("p", { class: "muted small" }, "What its runs are given"),
    json(schedule.input),
  );
}

function nextTimes({ nextTimes: times }, now) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "next" },
    h("h2", { id: "next" }, "Next"),
    times?.length
      ? h(
          "ol",
          { class: "plain-list" },
          times.map((at) => h("li", { key: at }, fullTime(at), h("span", { class: "sub" }, ago(at, now)))),
        )
      : h("p", { class: "muted" }, "Nothing."),
  );
}

function outcomes(list, now) {
  const columns = [
    {
      name: "What came",
      look: "cell-main",
      cell: ({ kind, count }) => capitalized(kind) + (count > 1 ? ` × ${count}` : ""),
    },
    { name: "Of the time", cell: ({ calendarAt }) => (calendarAt ? fullTime(calendarAt) : "by hand") },
    { name: "Run", cell: ({ runId }) => (runId ? runLink(runId, h("code", null, runId)) : "–") },
    { name: "When", cell: ({ at }) => ago(at, now) },
  ];
  return h(
    "section",
    { class: "card", "aria-labelledby": "outcomes" },
    h("h2", { id: "outcomes" }, "What came of it"),
    list.length
      ? table("Outcomes", columns, list, ({ seq, at, kind }) => seq ?? at + kind)
      : h("p", { class: "muted" }, "Nothing yet."),
  );
}

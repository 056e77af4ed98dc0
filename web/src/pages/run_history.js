// What happened in a run: the story in lines, and the journal as it is.

import { h } from "../dom.js";
import { capitalized, clockTime, duration, spaced } from "../format.js";
import { choice, json } from "../parts.js";
import { logLines } from "../run_model.js";

const kShown = 500; // a long journal's newest; the whole is one API call away
const kViews = [
  ["log", "Log"],
  ["journal", "Journal"],
];

/** `query` of the address: `view` and `event`; `go(change)` changes it. */
export function historyCard(run, events, query, go) {
  const view = query.view === "journal" ? "journal" : "log";
  const start = Date.parse(run.startedAt ?? events[0]?.at);
  return h(
    "section",
    { class: "card", "aria-labelledby": "history-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "history-title" }, "What happened"),
      h(
        "div",
        { class: "tabs", role: "group", "aria-label": "Shown as" },
        kViews.map(([name, text]) =>
          h(
            "button",
            { type: "button", key: name, "aria-pressed": String(view === name), onclick: () => go({ view: name }) },
            text,
          ),
        ),
      ),
    ),
    view === "log" ? log(logLines(events), start) : journal(events, query.event ?? "", start, go),
  );
}

function log(lines, start) {
  return [
    newestOnly(lines),
    h(
      "div",
      { class: "log", tabindex: "0", role: "region", "aria-label": "Log" },
      h(
        "ol",
        null,
        lines
          .slice(-kShown)
          .map(({ seq, at, step, tone, text }) =>
            h(
              "li",
              { key: seq, class: `log-${tone}` },
              h("time", { datetime: at, title: clockTime(at) }, offset(at, start)),
              h("span", { class: "log-step" }, step ?? "run"),
              h("span", { class: "log-text" }, text),
            ),
          ),
      ),
    ),
  ];
}

function journal(events, wanted, start, go) {
  const types = [...new Set(events.map(({ type }) => type))].sort();
  const options = [["", "All events"], ...types.map((type) => [type, capitalized(spaced(type))])];
  if (wanted && !types.includes(wanted)) options.push([wanted, capitalized(spaced(wanted))]);
  const found = wanted ? events.filter(({ type }) => type === wanted) : events;
  return [
    h(
      "div",
      { class: "filters" },
      choice("Type", "event", wanted, options, (type) => go({ event: type })),
      h("p", { class: "muted small count-note" }, `${found.length} of ${events.length}`),
    ),
    newestOnly(found),
    h(
      "ol",
      { class: "journal" },
      found.slice(-kShown).map((event) => journalRow(event, start)),
    ),
  ];
}

function newestOnly(list) {
  return list.length > kShown ? h("p", { class: "muted small" }, `The newest ${kShown} are shown.`) : null;
}

function journalRow(event, start) {
  const data = event.data && Object.keys(event.data).length ? event.data : null;
  return h(
    "li",
    { key: event.seq, "data-seq": event.seq },
    h("span", { class: "journal-seq" }, event.seq),
    h("time", { class: "journal-time", datetime: event.at, title: clockTime(event.at) }, offset(event.at, start)),
    h(
      "span",
      { class: "journal-type" },
      capitalized(spaced(event.type)),
      event.step ? [" ", h("code", null, event.step)] : null,
    ),
    data ? h("details", { class: "journal-data" }, h("summary", null, "data"), json(data)) : null,
  );
}

const offset = (at, start) => `+${duration(Date.parse(at) - start)}`;

// Alerts, as they are told on their own page and on that of what they are about.

import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { capitalized, spaced } from "../format.js";
import { ago, button, icon } from "../parts.js";
import { href } from "../router.js";

const kNoteMost = 500; // characters, of the API
const kPages = {
  workstation: "workstations",
  workspace: "workspaces",
  run: "runs",
  message: "messages",
  webhook: "webhooks",
  job: "jobs",
  build: "builds",
  template: "templates",
  schedule: "schedules",
};
const kRefused = href(["messages"], { outcome: "refused" });

const kSeverities = { critical: ["bad", "alert"], warning: ["wait", "alert"] };
const kStates = { open: null, acknowledged: ["idle", "check"], resolved: ["good", "check"] };

function sign([look, iconName], text) {
  return h("span", { class: `badge tone-${look}` }, icon(iconName), text);
}
export const severityBadge = ({ severity }) => sign(kSeverities[severity] ?? ["idle", "dash"], capitalized(severity));
const stateBadge = ({ state }) => (kStates[state] ? sign(kStates[state], capitalized(state)) : null);

/** A link to what something is about, where it has a page of its own. */
export function subjectLink({ resourceType, resourceId }) {
  if (!resourceId) return "–";
  const text = h("span", { class: "mono" }, resourceId);
  const page = kPages[resourceType];
  const target = resourceType === "subscription" ? kRefused : page ? href([page, resourceId]) : null;
  return target ? h("a", { href: target, title: resourceType }, text) : [`${resourceType} `, text];
}

/** A list of alerts. `deeds` has those that a person can do, or is null; `withSubject`: they are of several things. */
export function alertList(alerts, now, { deeds = null, app = null, withSubject = true } = {}) {
  return h(
    "ul",
    { class: "alert-list", "aria-label": "Alerts" },
    alerts.map((alert) => item(alert, now, { buttons: deeds ? alertButtons(app, deeds, alert) : null, withSubject })),
  );
}

function item(alert, now, { buttons, withSubject }) {
  const { id, kind, count, message, runId, lastRaisedAt, raisedAt, note } = alert;
  const details = Object.keys(alert.details ?? {}).length ? alert.details : null;
  return h(
    "li",
    { key: id, "data-alert": id, class: `alert alert-${alert.state}` },
    h("div", { class: "alert-signs" }, severityBadge(alert), stateBadge(alert)),
    h(
      "div",
      { class: "alert-text" },
      h("p", { class: "alert-message" }, message),
      h(
        "p",
        { class: "sub" },
        h("code", null, kind),
        withSubject ? [" · ", subjectLink(alert)] : null,
        runId ? [" · ", h("a", { href: href(["runs", runId]) }, "its run")] : null,
        " · ",
        ago(raisedAt, now),
        count > 1 ? [`, ${count} times, last `, ago(lastRaisedAt, now)] : null,
      ),
      byWhom(alert, now),
      note ? h("p", { class: "sub" }, `“${note}”`) : null,
      details ? detailList(details) : null,
    ),
    buttons ? h("div", { class: "row-actions" }, buttons) : null,
  );
}

function byWhom({ state, acknowledgedAt, acknowledgedBy, resolvedAt, resolvedBy }, now) {
  const [at, by] = state === "resolved" ? [resolvedAt, resolvedBy] : [acknowledgedAt, acknowledgedBy];
  if (state === "open" || !at) return null;
  return h("p", { class: "sub" }, `${capitalized(state)} `, ago(at, now), by ? [" by ", h("code", null, by)] : null);
}

function detailList(details) {
  const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  return h(
    "details",
    { class: "small" },
    h("summary", { class: "muted" }, "Details"),
    h(
      "dl",
      { class: "facts" },
      Object.entries(details).map(([name, value]) =>
        h("div", { key: name }, h("dt", null, capitalized(spaced(name))), h("dd", { class: "mono" }, text(value))),
      ),
    ),
  );
}

function alertButtons({ api }, deeds, alert) {
  const { id, state, kind } = alert;
  const act = (verb, words, title) => () =>
    askForNote(title, words.slice(0, -1), (note) =>
      deeds.do(words, () => api.post(`/v1/alerts/${encodeURIComponent(id)}/${verb}`, note ? { note } : {})),
    );
  const options = { look: "small-button", disabled: deeds.busy };
  return [
    state === "open"
      ? button("Acknowledge", act("acknowledge", "Acknowledged", "Look after this alert?"), {
          ...options,
          name: `Acknowledge ${kind}`,
        })
      : null,
    state === "resolved"
      ? null
      : button("Resolve", act("resolve", "Resolved", "Is its trouble over?"), {
          ...options,
          iconName: "check",
          name: `Resolve ${kind}`,
        }),
  ];
}

function askForNote(title, verb, act) {
  let note = "";
  openConfirmation({
    title,
    verb,
    content: () =>
      h(
        "label",
        { class: "field" },
        h("span", { class: "field-name" }, "Note (for others to read)"),
        h("input", {
          name: "note",
          maxlength: String(kNoteMost),
          autocomplete: "off",
          autofocus: true,
          oninput: (event) => (note = event.target.value),
        }),
      ),
    act: () => act(note.trim()),
  });
}

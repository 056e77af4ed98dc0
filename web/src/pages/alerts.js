// Alerts: what needs a person, those that nobody looks after first.

import { h } from "../dom.js";
import { ListPage } from "../list_page.js";
import { isAbout } from "../live.js";
import { choice, cursorPager, emptyState, field } from "../parts.js";
import { alertList } from "./alert_parts.js";

// What is chosen in the address, and what the API is asked for.
const kStates = [
  ["", "Not resolved"],
  ["open", "Open"],
  ["acknowledged", "Acknowledged"],
  ["resolved", "Resolved"],
  ["open,acknowledged,resolved", "All"],
];
const kSeverities = [
  ["", "Any"],
  ["critical", "Critical"],
  ["warning", "Warning"],
];
const kKinds = [
  "workstation.quota",
  "workstation.slow",
  "workstation.failed",
  "workstation.drift",
  "mail.failed",
  "event.failed",
  "message.refused",
];

export class AlertsPage extends ListPage {
  title = "Alerts";
  words = ["alert", "alerts"];

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: "/v1/alerts", section: ["alerts"], wants: (event) => isAbout(event, "alert") });
  }

  filters() {
    const { state = "", severity = "", kind = "", resourceId = "" } = this.query;
    const kinds = [...new Set([...kKinds, ...(this.data ?? []).map((alert) => alert.kind), ...(kind ? [kind] : [])])];
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter alerts" },
      choice("State", "state", state, kStates, (value) => this.filter({ state: value })),
      choice("Severity", "severity", severity, kSeverities, (value) => this.filter({ severity: value })),
      choice("Kind", "kind", kind, [["", "Any"], ...kinds.sort().map((name) => [name, name])], (value) =>
        this.filter({ kind: value }),
      ),
      field("About", {
        name: "resourceId",
        type: "search",
        value: resourceId,
        placeholder: "ws-…",
        onchange: (event) => this.filter({ resourceId: event.target.value.trim() }),
      }),
    );
  }

  none() {
    if (this.filtered) return emptyState("No alerts", "No alert fits these filters.");
    return emptyState("All is well", "Nothing needs a person.");
  }

  content(alerts, now) {
    if (!alerts.length) return this.none();
    const deeds = this.app.me()?.role === "admin" ? this.deeds : null;
    // Those that somebody looks after stand below those that nobody does; each still the newest first.
    const ordered = [...alerts].sort((a, b) => (b.state === "open") - (a.state === "open"));
    const go = (cursor) => this.goToCursor(cursor);
    return [
      h("div", { class: "card" }, alertList(ordered, now, { deeds, app: this.app })),
      cursorPager({ data: alerts, meta: this.meta }, this.query, this.words, go),
    ];
  }
}

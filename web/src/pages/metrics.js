// Runs in numbers: how many, how well, how long, and what went wrong most.

import { h } from "../dom.js";
import { duration } from "../format.js";
import { AnswerPage } from "../list_page.js";
import { choice, emptyState, table } from "../parts.js";
import { href } from "../router.js";

const kRefreshMs = 10_000;
const kHourMs = 3_600_000;
const kPeriods = {
  "1h": ["Last hour", kHourMs],
  "24h": ["Last 24 hours", 24 * kHourMs],
  "7d": ["Last 7 days", 168 * kHourMs],
  "30d": ["Last 30 days", 720 * kHourMs],
};
const kUsualPeriod = "24h";
const kPath = "/v1/workflows/metrics";

const number = new Intl.NumberFormat();
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const rate = (value) => (Number.isFinite(value) ? percent.format(value) : "–");

export class MetricsPage extends AnswerPage {
  title = "Metrics";
  trouble = "Cannot load the numbers";
  skeletonLines = 6;

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: kPath, section: ["metrics"], everyMs: kRefreshMs });
  }

  #period() {
    return kPeriods[this.query.period] ? this.query.period : kUsualPeriod;
  }
  asked() {
    const since = new Date(this.app.api.now() - kPeriods[this.#period()][1]).toISOString();
    return { since, owner: this.query.owner };
  }

  filters() {
    const periods = Object.entries(kPeriods).map(([name, [text]]) => [name, text]);
    const owners = [
      ["", "Everyone's"],
      ["me", "Mine"],
    ];
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "What is counted" },
      choice("Runs that began in the", "period", this.#period(), periods, (period) => this.filter({ period })),
      this.app.me()?.role === "admin"
        ? choice("Runs", "owner", this.query.owner ?? "", owners, (owner) => this.filter({ owner }))
        : null,
    );
  }

  content({ summary, timing, failureReasons, types, incomplete }) {
    if (!summary.total) return emptyState("Nothing to count", "No run that began in this time has ended.");
    return [
      incomplete ? h("p", { class: "muted" }, "Runs from before an upgrade are still being counted.") : null,
      tiles(summary, timing),
      types?.length ? table("By type", this.#columns(), types, ({ type }) => type) : null,
      failures(failureReasons ?? [], summary.failed),
    ];
  }

  #columns() {
    const since = this.#period() in { "1h": 1, "24h": 1, "7d": 1 } ? this.#period() : null;
    const runs = (type, text) => h("a", { class: "row-link", href: href(["runs"], { type, since }) }, text);
    const time = (name, key) => ({ name, look: "cell-number", cell: ({ timing }) => duration(timing[key]) });
    return [
      { name: "Type", look: "cell-main", cell: ({ type }) => runs(type, type) },
      { name: "Runs", look: "cell-number", cell: ({ summary }) => number.format(summary.total) },
      { name: "Failed", look: "cell-number", cell: ({ summary }) => number.format(summary.failed) },
      { name: "Success", look: "cell-number", cell: ({ summary }) => rate(summary.successRate) },
      time("Half within", "p50Ms"),
      time("90 % within", "p90Ms"),
      time("99 % within", "p99Ms"),
    ];
  }
}

function tiles(summary, timing) {
  const tile = (name, value) => h("div", { class: "tile", key: name }, h("dt", null, name), h("dd", null, value));
  return h(
    "dl",
    { class: "tiles" },
    tile("Runs", number.format(summary.total)),
    tile("Completed", number.format(summary.completed)),
    tile("Failed", number.format(summary.failed)),
    tile("Cancelled", number.format(summary.cancelled)),
    tile("Success", rate(summary.successRate)),
    tile("Half done within", duration(timing.p50Ms)),
  );
}

function failures(reasons, failed) {
  if (!reasons.length) return null;
  return h(
    "section",
    { class: "card", "aria-labelledby": "failures" },
    h("h2", { id: "failures" }, "What went wrong most"),
    h(
      "ol",
      { class: "ranking" },
      reasons.map(({ code, count }) =>
        h(
          "li",
          { key: code },
          h("code", null, code),
          h("span", { class: "ranking-bar", style: { "--part": String(count / Math.max(failed, 1)) } }),
          h("span", { class: "number" }, number.format(count)),
        ),
      ),
    ),
  );
}

// The list of runs: filtered, sorted and paged by the address, and always as it is now.

import { h } from "../dom.js";
import { capitalized, duration } from "../format.js";
import { isAbout } from "../live.js";
import { ListPage } from "../list_page.js";
import { ago, badge, choice, emptyState, field, icon, table } from "../parts.js";
import { href } from "../router.js";
import { runTook } from "../run_follower.js";

const kBurstMs = 500; // a busy hub changes more often than anybody can read
const kStatuses = ["pending", "running", "completed", "failed", "cancelled"];
const kNeedsAttention = "attention";
const kTypes = ["workspace.create", "workspace.start", "workspace.stop", "workspace.delete", "workstation.provision"];
const kResources = ["workspace", "workstation", "server", "cluster", "vm", "schedule"];
const kResourcePages = {
  build: "builds",
  schedule: "schedules",
  template: "templates",
  workspace: "workspaces",
  workstation: "workstations",
};
const kHourMs = 3_600_000;
// In the address as they are, so that a link to "the last hour" stays that.
const kPeriods = {
  "1h": ["Last hour", kHourMs],
  "24h": ["Last 24 hours", 24 * kHourMs],
  "7d": ["Last 7 days", 168 * kHourMs],
};
const kCustom = "custom";

/** The API's `since` for that of an address: a period up to `now`, or a time as it is. */
export const sinceOf = (since, now) => (kPeriods[since] ? new Date(now - kPeriods[since][1]).toISOString() : since);

export class RunsPage extends ListPage {
  title = "Runs";
  words = ["run", "runs"];
  skeletonLines = 6;
  #customPeriod = false;

  constructor(app, route, redraw) {
    const wants = (event) => isAbout(event, "run");
    super(app, route, redraw, { path: "/v1/workflows/runs", section: ["runs"], wants, burstMs: kBurstMs });
  }

  asked() {
    const { status, since, ...rest } = super.asked();
    const query = { ...rest, since: sinceOf(since, this.app.api.now()) };
    if (status === kNeedsAttention) query.needsAttention = "true";
    else query.status = status;
    return query;
  }

  filters() {
    const { type = "", status = "", resourceType = "", resourceId, parentId, triggeredBy = "", sort = "" } = this.query;
    const any = (names) => [["", "Any"], ...names.map((name) => [name, capitalized(name)])];
    const types = [...new Set([...kTypes, ...(this.data ?? []).map((run) => run.type), ...(type ? [type] : [])])];
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter runs" },
      choice("Type", "type", type, [["", "Any"], ...types.sort().map((name) => [name, name])], (value) =>
        this.filter({ type: value }),
      ),
      choice("Status", "status", status, [...any(kStatuses), [kNeedsAttention, "Needs a person"]], (value) =>
        this.filter({ status: value }),
      ),
      resourceId
        ? null
        : choice("Resource", "resource", resourceType, any(kResources), (value) =>
            this.filter({ resourceType: value }),
          ),
      this.#period(),
      choice(
        "Order",
        "sort",
        sort,
        [
          ["", "Newest first"],
          ["startedAt", "Oldest first"],
        ],
        (value) => this.filter({ sort: value }),
      ),
      field("Asked by", {
        name: "who",
        value: triggeredBy,
        placeholder: "usr_… or sch_…",
        onchange: (event) => this.filter({ triggeredBy: event.target.value.trim() }),
      }),
      resourceId ? this.#chip("of ", resourceLink(this.query), { resourceId: null, resourceType: null }) : null,
      parentId ? this.#chip("started by ", h("code", null, short(parentId)), { parentId: null }) : null,
    );
  }

  #period() {
    const { since = "", until = "" } = this.query;
    const custom = this.#customPeriod || until !== "" || (since !== "" && !kPeriods[since]);
    const options = [
      ["", "Any time"],
      ...Object.entries(kPeriods).map(([name, [text]]) => [name, text]),
      [kCustom, "From … until …"],
    ];
    const choose = (value) => {
      this.#customPeriod = value === kCustom;
      if (value === kCustom) this.redraw();
      else this.filter({ since: value, until: null });
    };
    const time = (label, name, iso) =>
      field(label, {
        name,
        type: "datetime-local",
        value: localTime(iso),
        onchange: (event) =>
          this.filter({ [name]: event.target.value ? new Date(event.target.value).toISOString() : null }),
      });
    return [
      choice("Started", "period", custom ? kCustom : since, options, choose),
      custom ? time("From", "since", sinceOf(since, this.app.api.now())) : null,
      custom ? time("Until", "until", until) : null,
    ];
  }

  #chip(text, what, change) {
    return h(
      "span",
      { class: "chip removable" },
      text,
      what,
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-label": "Show runs of everything",
          onclick: () => this.filter(change),
        },
        icon("cross"),
      ),
    );
  }

  none() {
    return emptyState(
      "No runs",
      this.filtered ? "No run fits these filters." : "Every change to a workspace is a run; it will show here.",
    );
  }

  columns(now) {
    return runColumns(now);
  }
}

/** The short list on a resource's page. */
export function runsTable(runs, now) {
  const columns = runColumns(now).filter(({ name }) => name !== "Resource");
  return table("Runs", columns, runs, (run) => run.id);
}

function runColumns(now) {
  return [
    { name: "Run", look: "cell-main", cell: runCell },
    { name: "Status", look: "cell-status", cell: statusCell },
    { name: "Resource", cell: resourceLink },
    { name: "Started", cell: (run) => ago(run.startedAt, now) },
    { name: "Duration", look: "cell-number", cell: (run) => duration(runTook(run, now)) },
  ];
}

function runCell({ id, type }) {
  return [h("a", { class: "row-link", href: href(["runs", id]) }, type), h("span", { class: "sub mono" }, id)];
}

function statusCell({ status, error, needsAttention }) {
  return [
    badge(status),
    error ? h("span", { class: "sub" }, error.code) : null,
    needsAttention ? h("span", { class: "sub" }, "needs a person") : null,
  ];
}

const short = (id) => (id.length > 13 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id);

export function resourceLink({ resourceType, resourceId }) {
  if (!resourceId) return "–";
  const text = [resourceType, " ", h("span", { class: "mono" }, short(resourceId))];
  const page = kResourcePages[resourceType];
  return page ? h("a", { href: href([page, resourceId]), title: resourceId }, text) : text;
}

// As the input wants it: this machine's time, without a zone.
function localTime(iso) {
  const at = Date.parse(iso);
  if (!Number.isFinite(at)) return "";
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

// The list of runs, filtered and paged by the address.

import { h } from "../dom.js";
import { capitalized, duration } from "../format.js";
import { Loader } from "../loader.js";
import { ago, badge, choice, emptyState, errorBox, icon, pageHead, pager, skeleton, table } from "../parts.js";
import { href } from "../router.js";
import { runTook } from "../run_follower.js";

const kPageSize = 50;
const kStatuses = ["pending", "running", "completed", "failed", "cancelled"];
const kTypes = ["workspace.create", "workspace.start", "workspace.stop", "workspace.delete"];

export class RunsPage {
  title = "Runs";
  #app;
  #query;
  #loader;
  #unsubscribe;

  constructor(app, route, redraw) {
    this.#app = app;
    this.#query = route.query;
    this.#loader = new Loader((signal) => this.#request(signal), redraw);
    this.#unsubscribe = app.live.subscribe((event) => event.type !== "workspace" && this.#loader.refresh());
    this.#loader.refresh();
  }

  dispose() {
    this.#unsubscribe();
    this.#loader.dispose();
  }

  onRoute(route) {
    this.#query = route.query;
    this.#loader.refresh();
  }

  draw() {
    return [
      pageHead(this.title),
      this.#filters(),
      errorBox(this.#loader.error, { title: "Cannot load the list" }),
      this.#list(),
    ];
  }

  #request(signal) {
    const { type, status, resourceType, resourceId, triggeredBy, since, until, page } = this.#query;
    const query = { limit: kPageSize, type, status, resourceType, resourceId, triggeredBy, since, until, page };
    return this.#app.api.get("/v1/workflows/runs", { query, signal });
  }

  #filter(change) {
    this.#app.navigate(["runs"], { ...this.#query, page: null, ...change }, { replace: true });
  }

  #filters() {
    const { type = "", status = "", resourceId } = this.#query;
    const types = new Set([...kTypes, ...(type ? [type] : [])]);
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter runs" },
      choice("Type", "type", type, [["", "Any"], ...[...types].map((name) => [name, name])], (value) =>
        this.#filter({ type: value }),
      ),
      choice(
        "Status",
        "status",
        status,
        [["", "Any"], ...kStatuses.map((name) => [name, capitalized(name)])],
        (value) => this.#filter({ status: value }),
      ),
      resourceId ? this.#resourceChip(resourceId) : null,
    );
  }

  #resourceChip(id) {
    const clear = () => this.#filter({ resourceId: null, resourceType: null });
    return h(
      "span",
      { class: "chip removable" },
      "of ",
      h("a", { href: href(["workspaces", id]) }, "one workspace"),
      h(
        "button",
        { type: "button", class: "plain", "aria-label": "Show runs of everything", onclick: clear },
        icon("cross"),
      ),
    );
  }

  #list() {
    const { data, error } = this.#loader;
    if (!data) return error ? null : skeleton(6);
    if (!data.length) {
      const filtered = Object.keys(this.#query).length > 0;
      return emptyState(
        "No runs",
        filtered ? "No run fits these filters." : "Every change to a workspace is a run; it will show here.",
      );
    }
    const go = (page) => this.#app.navigate(["runs"], { ...this.#query, page });
    return [runsTable(data, this.#app.api.now()), pager(this.#loader, this.#query.page, go)];
  }
}

/** Also the short list on a workspace's page, which is all about one resource. */
export function runsTable(runs, now, { withResource = true } = {}) {
  const columns = [
    { name: "Run", look: "cell-main", cell: runCell },
    { name: "Status", look: "cell-status", cell: statusCell },
    { name: "Resource", cell: resourceLink },
    { name: "Started", cell: (run) => ago(run.startedAt, now) },
    { name: "Duration", look: "cell-number", cell: (run) => duration(runTook(run, now)) },
  ];
  return table(
    "Runs",
    withResource ? columns : columns.filter(({ name }) => name !== "Resource"),
    runs,
    (run) => run.id,
  );
}

function runCell({ id, type }) {
  return [h("a", { class: "row-link", href: href(["runs", id]) }, type), h("span", { class: "sub mono" }, id)];
}

function statusCell({ status, error }) {
  return [badge(status), error ? h("span", { class: "sub" }, error.code) : null];
}

export function resourceLink({ resourceType, resourceId }) {
  if (!resourceId) return "–";
  const short = resourceId.length > 13 ? `${resourceId.slice(0, 4)}…${resourceId.slice(-6)}` : resourceId;
  const text = [resourceType, " ", h("span", { class: "mono" }, short)];
  if (resourceType !== "workspace") return text;
  return h("a", { href: href(["workspaces", resourceId]), title: resourceId }, text);
}

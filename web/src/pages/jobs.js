// Jobs of provisioner daemons: what waits and why, what is at work, what has ended.

import { h } from "../dom.js";
import { duration } from "../format.js";
import { kEnded } from "../jobs/job_follower.js";
import { ListPage } from "../list_page.js";
import { actionsColumn, ago, badge, button, choice, emptyState } from "../parts.js";
import { href } from "../router.js";
import { askToCancelJob, jobTitle } from "./job.js";

const kRefreshMs = 3_000; // who waits moves without events
const kStatuses = ["pending", "running", "succeeded", "failed", "cancelled"];
const kTypes = ["template_import", "template_dry_run", "workspace_build"];

export class JobsPage extends ListPage {
  title = "Jobs";
  trouble = "Cannot load the jobs";
  words = ["job", "jobs"];

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: "/v1/jobs", section: ["jobs"], everyMs: kRefreshMs });
  }

  asked() {
    return { owner: "all", ...super.asked() };
  }

  filters() {
    const { status = "", type = "" } = this.query;
    const statuses = [["", "Any"], ...kStatuses.map((name) => [name, name])];
    const types = [["", "Any"], ...kTypes.map((name) => [name, jobTitle({ type: name })])];
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter jobs" },
      choice("Status", "status", status, statuses, (value) => this.filter({ status: value })),
      choice("Type", "type", type, types, (value) => this.filter({ type: value })),
    );
  }

  none() {
    return emptyState(
      "No jobs",
      this.filtered ? "No job fits these filters." : "Imports and builds of templates show here.",
    );
  }

  columns(now) {
    return [
      { name: "Job", look: "cell-main", cell: nameCell },
      { name: "Status", look: "cell-status", cell: statusCell },
      { name: "Daemon", cell: daemonCell },
      { name: "Asked for", cell: ({ createdAt }) => ago(createdAt, now) },
      { name: "Took", look: "cell-number", cell: (job) => duration(took(job, now)) },
      actionsColumn((job) => this.#cancelButton(job)),
    ];
  }

  #cancelButton(job) {
    if (kEnded.has(job.status) || job.cancelRequestedAt) return null;
    const name = `Cancel ${jobTitle(job)} ${job.id}`;
    return button("Cancel", () => askToCancelJob(this.app, job, () => this.refresh()), { look: "small-button", name });
  }
}

function nameCell(job) {
  const { id, provisioner, requestedByName } = job;
  return [
    h("a", { class: "row-link", href: href(["jobs", id]) }, jobTitle(job)),
    h("span", { class: "sub" }, [provisioner, requestedByName].filter(Boolean).join(" · ")),
    h("span", { class: "sub mono" }, id),
  ];
}

function statusCell({ status, pending, error, cancelRequestedAt }) {
  const why = pending?.explanation ?? (cancelRequestedAt && !kEnded.has(status) ? "cancel asked for" : error?.code);
  return [
    badge(status),
    why ? h("span", { class: "sub" }, why) : null,
    pending?.ahead ? h("span", { class: "sub" }, `${pending.ahead} ahead of it`) : null,
  ];
}

function daemonCell({ daemonName, daemonId, attempt, attemptsMax }) {
  const name = daemonName ?? daemonId;
  return [
    name ?? h("span", { class: "muted" }, "none yet"),
    attempt > 1 ? h("span", { class: "sub" }, `attempt ${attempt} of ${attemptsMax}`) : null,
  ];
}

function took({ startedAt, endedAt }, now) {
  if (!startedAt) return null;
  return (endedAt ? Date.parse(endedAt) : now) - Date.parse(startedAt);
}

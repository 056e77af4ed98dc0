// One job of a provisioner daemon: an import of a template, a dry run, or the work of a build.

import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { duration } from "../format.js";
import { JobFollower, jobPath } from "../jobs/job_follower.js";
import { aDay, cancelNote, jobFacts, resourcesTable, standingCard } from "../jobs/job_parts.js";
import { logCard } from "../jobs/log_card.js";
import { backLink, badge, button, card, errorBox, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";

const kTitles = { template_import: "Template import", template_dry_run: "Dry run", workspace_build: "Build" };
export const jobTitle = ({ type }) => kTitles[type] ?? "Job";

export class JobPage {
  #app;
  #follower;
  #redraw;
  #shownStatus = null;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#redraw = redraw;
    this.#follower = new JobFollower(app, segments[1], () => this.#changed());
  }

  get title() {
    const { job } = this.#follower;
    return job ? jobTitle(job) : "Job";
  }
  dispose() {
    this.#follower.dispose();
  }

  draw() {
    const { job, error } = this.#follower;
    if (!job) return [this.#back(), pageHead(this.title), errorBox(error) ?? skeleton(6)];
    const now = this.#app.api.now();
    return [
      this.#back(job),
      pageHead(this.title, badge(job.status), this.#actions(job)),
      this.#follower.hasEnded
        ? errorBox(job.error, { title: job.status === "cancelled" ? "Cut short" : "It failed" })
        : null,
      cancelNote(job),
      standingCard(job, now),
      h("section", { class: "card summary", "aria-label": "Summary" }, jobFacts(job, now)),
      logCard(this.#follower),
      outcomeCards(job),
      timingsCard(job.timings),
    ];
  }

  #back(job) {
    if (job?.buildId) return backLink(href(["builds", job.buildId]), "Its build");
    if (job) return backLink(href(["templates", job.templateId], { version: job.versionId }), "Its template");
    return backLink(href(["jobs"]), "Jobs");
  }

  #changed() {
    const status = this.#follower.job?.status;
    if (this.#shownStatus && this.#shownStatus !== status) this.#app.announce(`The job is ${status}`);
    this.#shownStatus = status;
    this.#redraw();
  }

  #actions(job) {
    if (this.#follower.hasEnded || job.cancelRequestedAt) return null;
    return button("Cancel job", () => askToCancelJob(this.#app, job, () => this.#follower.refresh()), {
      look: "danger-outline",
    });
  }
}

export function askToCancelJob({ api, announce }, job, done) {
  openConfirmation({
    title: "Cancel this job?",
    verb: "Cancel job",
    look: "danger",
    content: () => h("p", null, "If it waits it ends at once; if it runs, it is asked to stop where it is."),
    act: async () => {
      await api.post(jobPath(job.id, "/cancel"), {});
      announce("Cancel asked for");
      done();
    },
  });
}

function outcomeCards({ templateImport, dryRun, build }) {
  const list = (title, resources, cost) =>
    card(
      [title, h("span", { class: "muted small" }, aDay(cost))],
      resources.length ? resourcesTable(resources, title) : h("p", { class: "muted" }, "None."),
    );
  if (dryRun) return list("Resources", dryRun.resources, dryRun.dailyCost);
  if (build) return card("Resources", resourcesTable(build.resources));
  if (!templateImport) return null;
  return [
    list("While it runs", templateImport.startResources, templateImport.startDailyCost),
    list("While it is stopped", templateImport.stopResources, templateImport.stopDailyCost),
  ];
}

function timingsCard(timings) {
  if (!timings?.length) return null;
  const took = ({ startedAt, endedAt }) => duration(Date.parse(endedAt) - Date.parse(startedAt));
  const row = (timing, index) =>
    h("div", { key: index }, h("dt", null, timing.stage), h("dd", { class: "number" }, took(timing)));
  return card("Phases", h("dl", { class: "facts" }, timings.map(row)));
}

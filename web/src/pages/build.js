// One build of a workspace: its log as it is written, what it made, why it failed.

import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { capitalized, duration } from "../format.js";
import { JobFollower, kEnded } from "../jobs/job_follower.js";
import { cancelNote, credits, resourcesTable, standingCard } from "../jobs/job_parts.js";
import { logCard } from "../jobs/log_card.js";
import { Loader } from "../loader.js";
import { ago, backLink, badge, button, card, command, errorBox, facts, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";

const kPollMs = 1_500;
const kVerbs = { start: "Start", stop: "Stop", destroy: "Delete" };

export class BuildPage {
  #app;
  #id;
  #redraw;
  #loader;
  #job = null; // a JobFollower, once there is a job
  #unsubscribe;
  #timer;
  #shownStatus = null;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#redraw = redraw;
    const path = `/v1/builds/${encodeURIComponent(this.#id)}`;
    this.#loader = new Loader(
      (signal) => app.api.get(path, { signal }),
      () => this.#loaded(),
    );
    this.#unsubscribe = app.live.subscribe(() => this.#hasEnded() || this.#loader.refresh());
    this.#timer = setInterval(() => document.hidden || this.#hasEnded() || this.#loader.refresh(), kPollMs);
    this.#loader.refresh();
  }

  get title() {
    const build = this.#loader.data;
    return build ? `${kVerbs[build.transition]} ${build.workspaceName}` : "Build";
  }

  dispose() {
    this.#unsubscribe();
    clearInterval(this.#timer);
    this.#loader.dispose();
    this.#job?.dispose();
  }

  draw() {
    const { data: build, error } = this.#loader;
    if (!build)
      return [backLink(href(["workspaces"]), "Workspaces"), pageHead("Build"), errorBox(error) ?? skeleton(6)];
    const now = this.#app.api.now();
    const job = this.#job?.job;
    return [
      backLink(href(["workspaces", build.workspaceId]), build.workspaceName),
      pageHead(this.title, badge(build.status), this.#actions(build)),
      errorBox(error, { title: "Cannot refresh" }),
      errorBox(build.error, { title: build.status === "cancelled" ? "Cut short" : "It failed" }),
      cancelNote(job),
      standingCard(job, now),
      summary(build, job, now),
      this.#job ? logCard(this.#job) : null,
      build.resources.length ? card("Resources", resourcesTable(build.resources)) : null,
      outputsCard(build, this.#app.announce),
      parametersCard(build),
    ];
  }

  #hasEnded() {
    return kEnded.has(this.#loader.data?.status);
  }

  #loaded() {
    const build = this.#loader.data;
    if (build?.jobId && build.jobId !== this.#job?.id) {
      this.#job?.dispose(); // it is tried again, by another job
      this.#job = new JobFollower(this.#app, build.jobId, () => this.#jobChanged());
    }
    if (this.#shownStatus && this.#shownStatus !== build?.status) this.#app.announce(`The build is ${build.status}`);
    this.#shownStatus = build?.status;
    this.#redraw();
  }

  // The build ends with its job, or a moment later.
  #jobChanged() {
    if (this.#job.hasEnded && !this.#hasEnded()) this.#loader.refresh();
    this.#redraw();
  }

  #actions(build) {
    if (kEnded.has(build.status) || this.#job?.job?.cancelRequestedAt) return null;
    return button("Cancel build", () => this.#askToCancel(build), { look: "danger-outline" });
  }

  #askToCancel(build) {
    openConfirmation({
      title: "Cancel this build?",
      verb: "Cancel build",
      look: "danger",
      content: () =>
        h(
          "p",
          null,
          "It is asked to stop where it is. What was made by then stays, and the next build goes on from it.",
        ),
      act: async () => {
        await this.#app.api.post(`/v1/builds/${encodeURIComponent(build.id)}/cancel`, {});
        this.#app.announce("Cancel asked for");
        this.#loader.refresh();
        this.#job?.refresh();
      },
    });
  }
}

function summary(build, job, now) {
  const { templateName, templateVersion } = build;
  const ended = build.endedAt ? Date.parse(build.endedAt) : now;
  return h(
    "section",
    { class: "card summary", "aria-label": "Summary" },
    facts([
      ["Build", `${capitalized(build.transition)}, number ${build.number}`],
      [
        "Template",
        h(
          "a",
          { href: href(["templates", templateName], { version: templateVersion }) },
          `${templateName} ${templateVersion}`,
        ),
      ],
      ["Why", build.reason],
      ["Asked for", ago(build.createdAt, now)],
      ["Took", build.startedAt ? h("span", { class: "number" }, duration(ended - Date.parse(build.startedAt))) : null],
      ["Costs a day", build.dailyCost ? credits(build.dailyCost) : "nothing"],
      ["Attempt", job?.attempt > 1 ? `${job.attempt} of ${job.attemptsMax}` : null],
      ["Run", build.runId ? h("a", { href: href(["runs", build.runId]) }, "its steps") : null],
      ["Job", build.jobId ? h("a", { href: href(["jobs", build.jobId]) }, "its daemon and attempts") : null],
    ]),
  );
}

function outputsCard({ outputs }, announce) {
  const all = Object.entries(outputs ?? {});
  if (!all.length) return null;
  const row = ([name, value]) => [h("p", { class: "command-name", key: name }, name), command(value, name, announce)];
  return card("Outputs", all.map(row));
}

function parametersCard({ parameters }) {
  if (!parameters?.length) return null;
  const row = ({ name, value, sensitive }) => [
    name,
    sensitive ? h("span", { class: "muted" }, "not shown") : h("code", null, value),
  ];
  return card("Parameters", facts(parameters.map(row)));
}

// One workspace: what happens to it now, how to get in, what the store and the machine say of it.

import { askToDelete, askToStop, canStart, canStop, startWorkspace } from "../actions.js";
import { h } from "../dom.js";
import { familyOf } from "../live.js";
import { Loader } from "../loader.js";
import { backLink, badge, button, emptyState, errorBox, icon, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";
import { RunFollower, runHasEnded } from "../run_follower.js";
import { Timeline } from "../timeline.js";
import { runError } from "./run.js";
import { connectCard, fieldsCard, runsCard, statusCard, whyCard } from "./workspace_cards.js";

const kRedrawMs = 200; // while a run is at work
const kStatusPollMs = 5_000; // a backend tells of no change by itself
const kRunsShown = 5;

export class WorkspacePage {
  #app;
  #id;
  #redraw;
  #actionError = null;
  #gone = false;
  #shownStatus = null;
  #follower = null; // of the run in progress, or of the last one seen here
  #loader;
  #timeline;
  #status;
  #runs;
  #why;
  #unsubscribe;
  #timers;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#redraw = redraw;
    this.#timeline = new Timeline(redraw);
    const id = encodeURIComponent(this.#id);
    const recent = { resourceType: "workspace", resourceId: this.#id, limit: kRunsShown };
    this.#loader = this.#load(`/v1/workspaces/${id}`, {}, () => this.#loaded());
    this.#status = this.#load(`/v1/workspaces/${id}/status`);
    this.#runs = this.#load("/v1/workflows/runs", recent);
    this.#why = this.#load(`/v1/why/${id}`);
    this.#unsubscribe = app.live.subscribe((event) => this.#concerns(event) && this.#refreshAll());
    this.#timers = [
      setInterval(() => this.#follower && !runHasEnded(this.#follower.run) && redraw(), kRedrawMs),
      setInterval(() => !this.#gone && !document.hidden && this.#status.refresh(), kStatusPollMs),
    ];
    this.#refreshAll();
  }

  get title() {
    return this.#loader.data?.name ?? "Workspace";
  }

  dispose() {
    this.#unsubscribe();
    this.#timers.forEach(clearInterval);
    this.#follower?.dispose();
    for (const loader of this.#loaders()) loader.dispose();
  }

  draw() {
    const workspace = this.#loader.data;
    const back = backLink(href(["workspaces"]), "Workspaces");
    if (!workspace) return [back, pageHead(this.title), errorBox(this.#loader.error) ?? skeleton(6)];
    if (this.#gone) return [back, pageHead(workspace.name), this.#currentRun(), goneNote()];
    const { api, announce } = this.#app;
    const now = api.now();
    return [
      back,
      pageHead(workspace.name, badge(workspace.status), this.#actions(workspace)),
      errorBox(this.#actionError, { onDismiss: () => this.#setActionError(null) }),
      errorBox(this.#loader.error, { title: "Cannot refresh" }),
      errorBox(workspace.error, { title: "This workspace is in error" }),
      this.#currentRun(),
      h(
        "div",
        { class: "columns" },
        h("div", { class: "column" }, connectCard(workspace, announce), statusCard(this.#status, now)),
        h("div", { class: "column" }, fieldsCard(workspace, now), whyCard(this.#why, now)),
      ),
      runsCard(this.#runs, this.#id, now),
    ];
  }

  #load(path, query = {}, onChange = this.#redraw) {
    return new Loader((signal) => this.#app.api.get(path, { query, signal }), onChange);
  }
  #loaders() {
    return [this.#loader, this.#status, this.#runs, this.#why];
  }

  #refreshAll() {
    for (const loader of this.#loaders()) loader.refresh();
  }

  // An event that does not say what it is about may be about this one.
  #concerns(event) {
    const change = event.data;
    const subject = familyOf(event) === "run" ? change?.data?.resourceId : change?.resource_id;
    return !this.#gone && (!subject || subject === this.#id);
  }

  #loaded() {
    const { data: workspace, error } = this.#loader;
    if (!workspace) return this.#redraw();
    if (error?.status === 404 && !this.#gone) {
      this.#gone = true;
      this.#app.announce(`${workspace.name} is deleted`);
    } else if (this.#shownStatus && this.#shownStatus !== workspace.status) {
      this.#app.announce(`${workspace.name} is ${workspace.status.toLowerCase()}`);
    }
    this.#shownStatus = workspace.status;
    this.#follow(workspace.run_id);
    this.#redraw();
  }

  #follow(runId) {
    if (!runId || runId === this.#follower?.id) return;
    this.#follower?.dispose();
    let ended = false;
    const follower = new RunFollower(this.#app.api, runId, () => {
      if (!ended && runHasEnded(follower.run)) {
        ended = true;
        this.#refreshAll();
      }
      this.#redraw();
    });
    this.#follower = follower;
  }

  #setActionError(error) {
    this.#actionError = error;
    this.#redraw();
  }

  #accepted({ data }, words) {
    this.#app.announce(words);
    if (data?.workspace) this.#loader.set(data.workspace);
    this.#follow(data?.run?.id);
    this.#refreshAll();
  }

  async #start() {
    const workspace = this.#loader.data;
    this.#setActionError(null);
    try {
      this.#accepted(await startWorkspace(this.#app.api, workspace), `Starting ${workspace.name}`);
    } catch (error) {
      if (!error.code) throw error;
      this.#setActionError(error);
    }
  }

  #actions(workspace) {
    const { name } = workspace;
    const { api } = this.#app;
    const stop = () => askToStop(api, workspace, (answer) => this.#accepted(answer, `Stopping ${name}`));
    const remove = () => askToDelete(api, workspace, (answer) => this.#accepted(answer, `Deleting ${name}`));
    const terminal = h(
      "a",
      { class: "button primary", href: href(["workspaces", workspace.id, "terminal"]) },
      icon("terminal"),
      "Open terminal",
    );
    return [
      workspace.status === "READY" ? terminal : null,
      canStart(workspace) ? button("Start", () => this.#start(), { look: "primary", iconName: "play" }) : null,
      canStop(workspace) ? button("Stop", stop, { iconName: "stop" }) : null,
      button("Delete", remove, { look: "danger-outline", iconName: "trash" }),
    ];
  }

  #currentRun() {
    if (!this.#follower) return null;
    const { run, error } = this.#follower;
    if (!run) return errorBox(error, { title: "Cannot load the run" });
    const link = h("a", { href: href(["runs", run.id]) }, run.type);
    return h(
      "section",
      { class: "card current-run", "aria-labelledby": "current-run" },
      h(
        "div",
        { class: "card-head" },
        h("h2", { id: "current-run" }, runHasEnded(run) ? "Last run: " : "Now: ", link),
        badge(run.status),
      ),
      runError(run),
      this.#timeline.draw(run, this.#follower.events, this.#app.api.now()),
    );
  }
}

function goneNote() {
  const back = h("a", { class: "button", href: href(["workspaces"]) }, "Back to the list");
  return emptyState("This workspace is deleted", "Its machine and its home are gone.", back);
}

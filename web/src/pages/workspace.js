// One workspace: what happens to it now, how to get in, what the store and the machine say of it.

import { askToDelete, askToStop, canStart, canStop, isBuilt, startWorkspace } from "../actions.js";
import { h } from "../dom.js";
import { familyOf } from "../live.js";
import { Loader } from "../loader.js";
import { backLink, badge, button, emptyState, errorBox, icon, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";
import { RunCard } from "../run_card.js";
import { buildsCard, connectCard, fieldsCard, runsCard, statusCard, templateOf, whyCard } from "./workspace_cards.js";

const kStatusPollMs = 5_000; // a backend tells of no change by itself
const kRunsShown = 5;
const kBuildsShown = 8;

export class WorkspacePage {
  #app;
  #id;
  #redraw;
  #actionError = null;
  #gone = false;
  #shownStatus = null;
  #runCard;
  #loader;
  #status;
  #runs;
  #why;
  #builds = null; // of one that is built from a template
  #template = null; // which that is
  #unsubscribe;
  #timer;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#redraw = redraw;
    this.#runCard = new RunCard(app, redraw, () => this.#refreshAll());
    const id = encodeURIComponent(this.#id);
    const recent = { ...this.#resource(), limit: kRunsShown };
    this.#loader = this.#load(`/v1/workspaces/${id}`, {}, () => this.#loaded());
    this.#status = this.#load(`/v1/workspaces/${id}/status`);
    this.#runs = this.#load("/v1/workflows/runs", recent);
    this.#why = this.#load(`/v1/why/${id}`);
    this.#unsubscribe = app.live.subscribe((event) => this.#concerns(event) && this.#refreshAll());
    this.#timer = setInterval(() => !this.#gone && !document.hidden && this.#status.refresh(), kStatusPollMs);
    this.#refreshAll();
  }

  get title() {
    return this.#loader.data?.name ?? "Workspace";
  }

  dispose() {
    this.#unsubscribe();
    clearInterval(this.#timer);
    this.#runCard.dispose();
    for (const loader of this.#loaders()) loader.dispose();
  }

  draw() {
    const workspace = this.#loader.data;
    const back = backLink(href(["workspaces"]), "Workspaces");
    if (!workspace) return [back, pageHead(this.title), errorBox(this.#loader.error) ?? skeleton(6)];
    if (this.#gone) return [back, pageHead(workspace.name), this.#runCard.draw(), goneNote()];
    const { api, announce } = this.#app;
    const now = api.now();
    return [
      back,
      pageHead(workspace.name, badge(workspace.status), this.#actions(workspace)),
      errorBox(this.#actionError, { onDismiss: () => this.#setActionError(null) }),
      errorBox(this.#loader.error, { title: "Cannot refresh" }),
      errorBox(workspace.error, { title: "This workspace is in error" }),
      this.#runCard.draw(),
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "column" },
          isBuilt(workspace) ? buildsCard(this.#builds, now) : null,
          !isBuilt(workspace) || this.#hasAgent() ? connectCard(workspace, announce) : null,
          statusCard(this.#status, now),
        ),
        h("div", { class: "column" }, fieldsCard(workspace, now, this.#template?.data), whyCard(this.#why, now)),
      ),
      runsCard(this.#runs, this.#resource(), now),
    ];
  }

  #load(path, query = {}, onChange = this.#redraw) {
    return new Loader((signal) => this.#app.api.get(path, { query, signal }), onChange);
  }
  // What a template builds can be got into where it runs an agent.
  #hasAgent() {
    return this.#status?.data?.agent?.connected ?? false;
  }
  #resource() {
    return { resourceType: "workspace", resourceId: this.#id };
  }
  #loaders() {
    return [this.#loader, this.#status, this.#runs, this.#why, this.#builds, this.#template].filter(Boolean);
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
    if (isBuilt(workspace) && !this.#builds) {
      this.#builds = this.#load(`/v1/workspaces/${encodeURIComponent(this.#id)}/builds`, { limit: kBuildsShown });
      this.#template = this.#load(`/v1/templates/${encodeURIComponent(templateOf(workspace).name)}`);
      this.#builds.refresh();
      this.#template.refresh();
    }
    this.#runCard.follow(workspace.run_id);
    this.#redraw();
  }

  #setActionError(error) {
    this.#actionError = error;
    this.#redraw();
  }

  #accepted({ data }, words) {
    this.#app.announce(words);
    if (data?.workspace) this.#loader.set(data.workspace);
    this.#runCard.follow(data?.run?.id);
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
    const change = h(
      "a",
      { class: "button", href: href(["workspaces", workspace.id, "change"]) },
      icon("pencil"),
      "Change",
    );
    return [
      workspace.status === "READY" && (!isBuilt(workspace) || this.#hasAgent()) ? terminal : null,
      isBuilt(workspace) && !workspace.run_id ? change : null,
      canStart(workspace) ? button("Start", () => this.#start(), { look: "primary", iconName: "play" }) : null,
      canStop(workspace) ? button("Stop", stop, { iconName: "stop" }) : null,
      button("Delete", remove, { look: "danger-outline", iconName: "trash" }),
    ];
  }
}

function goneNote() {
  const back = h("a", { class: "button", href: href(["workspaces"]) }, "Back to the list");
  return emptyState("This workspace is deleted", "Its machine and its home are gone.", back);
}

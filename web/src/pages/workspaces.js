// The list of workspaces, always as it is now.

import { askToDelete, askToStop, canStart, canStop, isBuilt, startWorkspace } from "../actions.js";
import { h } from "../dom.js";
import { capitalized } from "../format.js";
import { isAbout } from "../live.js";
import { Loader } from "../loader.js";
import {
  ago,
  badge,
  button,
  choice,
  command,
  emptyState,
  errorBox,
  icon,
  pageHead,
  pager,
  skeleton,
  table,
} from "../parts.js";
import { href } from "../router.js";

const kPageSize = 50;
const kStatuses = ["PROVISIONING", "READY", "SUSPENDED", "ERROR"];

export class WorkspacesPage {
  title = "Workspaces";
  #app;
  #redraw;
  #query;
  #loader;
  #unsubscribe;
  #actionError = null;
  #dialog = null;
  #isWanted = false; // the dialog, by the address
  #shownStatuses = new Map(); // id → status, to tell changes to screen readers

  constructor(app, route, redraw) {
    this.#app = app;
    this.#redraw = redraw;
    this.#query = route.query;
    this.#loader = new Loader(
      (signal) => this.#request(signal),
      () => this.#loaded(),
    );
    this.#unsubscribe = app.live.subscribe((event) => isAbout(event, "workspace") && this.#loader.refresh());
    this.#loader.refresh();
    this.#syncDialog(route);
  }

  dispose() {
    this.#isWanted = false;
    this.#unsubscribe();
    this.#loader.dispose();
  }

  onRoute(route) {
    const changed = JSON.stringify(route.query) !== JSON.stringify(this.#query);
    this.#query = route.query;
    if (changed) this.#loader.refresh();
    this.#syncDialog(route);
  }

  draw() {
    return [
      pageHead(this.title, null, this.#newButton()),
      this.#filters(),
      errorBox(this.#actionError, { onDismiss: () => this.#setActionError(null) }),
      errorBox(this.#loader.error, { title: "Cannot load the list" }),
      this.#list(),
    ];
  }

  #request(signal) {
    const { page, status, owner } = this.#query;
    return this.#app.api.get("/v1/workspaces", { query: { limit: kPageSize, page, status, owner }, signal });
  }

  #loaded() {
    const rows = this.#loader.data ?? [];
    const shown = this.#shownStatuses;
    const changed = rows.filter((row) => shown.has(row.id) && shown.get(row.id) !== row.status);
    if (changed.length)
      this.#app.announce(changed.map((row) => `${row.name} is ${row.status.toLowerCase()}`).join(", "));
    this.#shownStatuses = new Map(rows.map((row) => [row.id, row.status]));
    this.#redraw();
  }

  // The form has an address of its own, so that it can be linked to and Back closes it.
  #syncDialog({ segments }) {
    const wanted = segments[1] === "new";
    this.#isWanted = wanted;
    if (!wanted) return this.#dialog?.close();
    if (!this.#dialog) this.#openDialog();
  }

  async #openDialog() {
    try {
      const { openCreateDialog } = await import("./create_workspace.js");
      if (!this.#isWanted || this.#dialog) return; // left meanwhile
      this.#dialog = openCreateDialog(this.#app, {
        onCreated: ({ workspace }) => this.#app.navigate(["workspaces", workspace.id]),
        onClose: () => {
          this.#dialog = null;
          if (location.hash.startsWith("#/workspaces/new")) this.#filter({}, this.#query.page);
        },
      });
    } catch {
      this.#setActionError({
        code: "HUB_UNREACHABLE",
        message: "The form cannot be fetched from the hub. Reload to try again.",
      });
    }
  }

  #filter(change, page = null) {
    this.#app.navigate(["workspaces"], { ...this.#query, page, ...change }, { replace: true });
  }

  #setActionError(error) {
    this.#actionError = error;
    this.#redraw();
  }

  async #start(workspace) {
    this.#setActionError(null);
    try {
      this.#accepted(await startWorkspace(this.#app.api, workspace), `Starting ${workspace.name}`);
    } catch (error) {
      if (!error.code) throw error;
      this.#setActionError(error);
    }
  }

  #accepted({ data }, words) {
    const changed = data?.workspace;
    if (changed) this.#loader.set(this.#loader.data.map((row) => (row.id === changed.id ? changed : row)));
    this.#app.announce(words);
    this.#loader.refresh();
  }

  #filters() {
    const { status = "", owner = "" } = this.#query;
    const statuses = [["", "Any"], ...kStatuses.map((name) => [name, capitalized(name)])];
    const owners = [
      ["", "Mine"],
      ["all", "Everyone's"],
    ];
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter workspaces" },
      choice("Status", "status", status, statuses, (value) => this.#filter({ status: value })),
      this.#app.me()?.role === "admin"
        ? choice("Owner", "owner", owner, owners, (value) => this.#filter({ owner: value }))
        : null,
    );
  }

  #newButton() {
    return h(
      "a",
      { class: "button primary", href: href(["workspaces", "new"], this.#query) },
      icon("plus"),
      "New workspace",
    );
  }

  #list() {
    const { data, error } = this.#loader;
    if (!data) return error ? null : skeleton(4);
    if (!data.length) return this.#query.status ? this.#noneInStatus() : this.#noneYet();
    const go = (page) => this.#app.navigate(["workspaces"], { ...this.#query, page });
    return [table("Workspaces", this.#columns(), data, (row) => row.id), pager(this.#loader, this.#query.page, go)];
  }

  #noneInStatus() {
    const all = button("Show all", () => this.#filter({ status: null }));
    return emptyState("No workspace is in this status", "Choose another status to see the rest.", all);
  }

  #noneYet() {
    return emptyState(
      "No workspaces yet",
      "A workspace is a machine of your own, with a home that outlives it.",
      this.#newButton(),
      h("p", { class: "muted small" }, "or from a terminal"),
      command("slipway workspace create hello", "Create a workspace", this.#app.announce),
    );
  }

  #columns() {
    const now = this.#app.api.now();
    return [
      { name: "Name", look: "cell-main", cell: nameCell },
      { name: "Status", look: "cell-status", cell: statusCell },
      { name: "Machine", cell: machineCell },
      { name: "Last connected", cell: (row) => ago(row.last_connected_at, now, "never") },
      { name: "Age", cell: (row) => ago(row.created_at, now) },
      { name: "Actions", look: "cell-actions", hidden: true, cell: (row) => this.#rowActions(row) },
    ];
  }

  #rowActions(workspace) {
    const { name } = workspace;
    const { api } = this.#app;
    const stop = () => askToStop(api, workspace, (answer) => this.#accepted(answer, `Stopping ${name}`));
    const remove = () => askToDelete(api, workspace, (answer) => this.#accepted(answer, `Deleting ${name}`));
    const look = "small-button";
    return h(
      "div",
      { class: "row-actions" },
      workspace.status === "READY" && !isBuilt(workspace) ? terminalLink(workspace) : null,
      canStart(workspace)
        ? button("Start", () => this.#start(workspace), { look, iconName: "play", name: `Start ${name}` })
        : null,
      canStop(workspace) ? button("Stop", stop, { look, iconName: "stop", name: `Stop ${name}` }) : null,
      h(
        "button",
        {
          type: "button",
          class: "plain danger-icon",
          title: "Delete",
          "aria-label": `Delete ${name}`,
          onclick: remove,
        },
        icon("trash"),
      ),
    );
  }
}

function terminalLink({ id, name }) {
  const label = `Terminal in ${name}`;
  const target = href(["workspaces", id, "terminal"]);
  return h("a", { class: "plain", href: target, title: "Open terminal", "aria-label": label }, icon("terminal"));
}

function nameCell({ id, name, metadata, instance_name: instance }) {
  const repo = metadata?.repo?.replace(/^https?:\/\//, "");
  const sub = repo ? repo + (metadata.branch ? ` @ ${metadata.branch}` : "") : instance;
  return [h("a", { class: "row-link", href: href(["workspaces", id]) }, name), h("span", { class: "sub" }, sub)];
}

function statusCell({ status, run_id: runId }) {
  const run = runId ? h("a", { class: "sub run-link", href: href(["runs", runId]) }, "run in progress") : null;
  return [badge(status), run];
}

function machineCell(workspace) {
  const { machine_type: type, provider, zone, image_tag: image } = workspace;
  if (isBuilt(workspace)) return [image.replace(":", " "), h("span", { class: "sub" }, type)];
  return [type, h("span", { class: "sub" }, [provider, zone].filter(Boolean).join(" · "))];
}

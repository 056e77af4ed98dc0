// Workstations on Google Cloud: each with how far it is, what it waits for, and what can be done with it; or with many.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { capitalized } from "../format.js";
import { ListPage } from "../list_page.js";
import { isAbout } from "../live.js";
import { actionsColumn, ago, button, choice, command, emptyState, field, icon } from "../parts.js";
import { href } from "../router.js";
import { RunsAtWork } from "../runs_at_work.js";
import { ProvisionForm } from "./provision_workstation.js";
import { askForTier, askToDelete, askToStop, forEach, startWorkstation } from "./workstation_actions.js";
import {
  canChangeTier,
  canDelete,
  canStart,
  canStop,
  kStatuses,
  launchUrl,
  specText,
  statusLines,
  workstationBadge,
} from "./workstation_parts.js";

const kBurstMs = 500;
const kWaiting = "waiting"; // in the address, for what the API calls waitingFor=quota

export class WorkstationsPage extends ListPage {
  title = "Workstations";
  words = ["workstation", "workstations"];
  #runs;
  #selected = new Set(); // ids
  #shownStatuses = new Map(); // id → status, to tell changes to screen readers
  #dialog = null;

  constructor(app, route, redraw) {
    const wants = (event) => isAbout(event, "workstation");
    super(app, route, redraw, { path: "/v1/workstations", section: ["workstations"], wants, burstMs: kBurstMs });
    this.#runs = new RunsAtWork(app.api, redraw);
    this.#syncDialog(route);
  }

  dispose() {
    super.dispose();
    this.#runs.dispose();
  }
  onRoute(route) {
    super.onRoute(route);
    this.#syncDialog(route);
  }

  asked() {
    const { status, ...rest } = super.asked();
    return status === kWaiting ? { ...rest, waitingFor: "quota" } : { ...rest, status };
  }

  loaded() {
    const rows = this.data ?? [];
    this.#runs.want(rows.map(({ runId }) => runId).filter(Boolean));
    const changed = rows.filter(({ id, status }) => (this.#shownStatuses.get(id) ?? status) !== status);
    if (changed.length) this.app.announce(changed.map(({ id, status }) => `${id} is ${status}`).join(", "));
    this.#shownStatuses = new Map(rows.map(({ id, status }) => [id, status]));
    const there = new Set(rows.map(({ id }) => id));
    for (const id of this.#selected) if (!there.has(id)) this.#selected.delete(id);
  }

  #isAdmin() {
    return this.app.me()?.role === "admin";
  }

  actions() {
    if (!this.#isAdmin()) return null;
    return h(
      "a",
      { class: "button primary", href: href(["workstations", "new"], this.query) },
      icon("plus"),
      "New workstation",
    );
  }

  filters() {
    const { status = "", tier = "", organizationId = "", userId = "" } = this.query;
    const any = (names) => [["", "Any"], ...names.map((name) => [name, capitalized(name)])];
    const text = (label, name, value) =>
      field(label, {
        name,
        value,
        type: "search",
        onchange: (event) => this.filter({ [name]: event.target.value.trim() }),
      });
    const statuses = [...any(kStatuses), [kWaiting, "Waiting for quota"]];
    const tiers = any(this.app.tiers().map(({ name }) => name));
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter workstations" },
      choice("Status", "status", status, statuses, (value) => this.filter({ status: value })),
      choice("Tier", "tier", tier, tiers, (value) => this.filter({ tier: value })),
      text("Organization", "organizationId", organizationId),
      text("User", "userId", userId),
    );
  }

  content(rows, now) {
    return [this.#bulk(rows), super.content(rows, now)];
  }

  none() {
    if (this.filtered)
      return emptyState(
        "No workstation fits these filters",
        "Choose others to see the rest.",
        h("a", { class: "button", href: href(["workstations"]) }, "Show all"),
      );
    return emptyState(
      "No workstations yet",
      "One is made for each message of the subscription, or here, for whom you say.",
      this.actions(),
      h("p", { class: "muted small" }, "or from a terminal"),
      command("slipway workstations create --help", "Make a workstation", this.app.announce),
    );
  }

  columns(now) {
    const run = ({ runId }) => (runId ? this.#runs.get(runId) : null);
    return [
      {
        name: "Workstation",
        look: "cell-main",
        head: this.#selectAll(),
        cell: (row) => [this.#select(row), nameCell(row)],
      },
      { name: "Status", look: "cell-status", cell: (row) => [workstationBadge(row), statusLines(row, run(row), now)] },
      { name: "Organization", cell: organizationCell },
      { name: "Tier", look: "cell-short", cell: tierCell },
      { name: "Age", look: "cell-short", cell: ({ createdAt }) => ago(createdAt, now) },
      actionsColumn((row) => this.#rowActions(row)),
    ];
  }

  #rowActions(row) {
    const { api, tiers } = this.app;
    const { id } = row;
    const done = (words) => () => this.#accepted(words);
    const act = (label, iconName, onclick, look = "") =>
      h(
        "button",
        { type: "button", class: `plain ${look}`, title: label, "aria-label": `${label} ${id}`, onclick },
        icon(iconName),
      );
    const url = launchUrl(row);
    return [
      url
        ? h(
            "a",
            {
              class: "plain",
              href: url,
              target: "_blank",
              rel: "noopener noreferrer",
              title: "Launch",
              "aria-label": `Launch ${id}`,
            },
            icon("open"),
          )
        : null,
      canStart(row) ? act("Start", "play", () => this.#start([row])) : null,
      canStop(row) ? act("Stop", "stop", () => askToStop(api, [row], done(`Stopping ${id}`))) : null,
      this.#isAdmin() && canChangeTier(row)
        ? act("Change tier of", "layers", () => askForTier(api, tiers(), row, done(`Changing the tier of ${id}`)))
        : null,
      this.#isAdmin() && canDelete(row)
        ? act("Delete", "trash", () => askToDelete(api, [row], done(`Deleting ${id}`)), "danger-icon")
        : null,
    ];
  }

  #start(rows) {
    const words = rows.length === 1 ? `Starting ${rows[0].id}` : `Starting ${rows.length} workstations`;
    return this.deeds.do(words, () => forEach(rows, (row) => startWorkstation(this.app.api, row)));
  }

  #accepted(words) {
    this.app.announce(words);
    this.#selected.clear();
    this.refresh();
  }

  // ---- many at once

  #select({ id }) {
    return h(
      "label",
      { class: "select" },
      h("input", {
        type: "checkbox",
        checked: this.#selected.has(id),
        "aria-label": `Select ${id}`,
        onchange: (event) => this.#toggle([id], event.target.checked),
      }),
    );
  }
  #selectAll() {
    const ids = (this.data ?? []).map(({ id }) => id);
    return [
      h(
        "label",
        { class: "select" },
        h("input", {
          type: "checkbox",
          checked: ids.length > 0 && ids.every((id) => this.#selected.has(id)),
          "aria-label": "Select all that are shown",
          onchange: (event) => this.#toggle(ids, event.target.checked),
        }),
      ),
      "Workstation",
    ];
  }
  #toggle(ids, on) {
    for (const id of ids) on ? this.#selected.add(id) : this.#selected.delete(id);
    this.redraw();
  }

  #bulk(rows) {
    const chosen = rows.filter(({ id }) => this.#selected.has(id));
    if (!chosen.length) return null;
    const { api } = this.app;
    const look = "small-button";
    const some = (label, can, act, more = {}) => {
      const fit = chosen.filter(can);
      const text = fit.length === chosen.length ? label : `${label} ${fit.length}`;
      return button(text, () => act(fit), { look, disabled: !fit.length || this.deeds.busy, ...more });
    };
    return h(
      "div",
      { class: "bulk", role: "region", "aria-label": "Selected" },
      h("strong", null, `${chosen.length} selected`),
      some("Start", canStart, (fit) => this.#start(fit), { iconName: "play" }),
      some("Stop", canStop, (fit) => askToStop(api, fit, () => this.#accepted(`Stopping ${fit.length}`)), {
        iconName: "stop",
      }),
      this.#isAdmin()
        ? some("Delete", canDelete, (fit) => askToDelete(api, fit, () => this.#accepted(`Deleting ${fit.length}`)), {
            look: "small-button danger-outline",
            iconName: "trash",
          })
        : null,
      h(
        "button",
        { type: "button", class: "button quiet", onclick: () => (this.#selected.clear(), this.redraw()) },
        "Clear",
      ),
    );
  }

  // The form has an address of its own, so that it can be linked to and Back closes it.
  #syncDialog({ segments }) {
    if (segments[1] !== "new") return this.#dialog?.close();
    if (this.#dialog) return;
    const form = new ProvisionForm(this.app, ({ workstationId, run }) =>
      this.app.navigate(["workstations", workstationId], { run: run.id }),
    );
    this.#dialog = openDialog({
      title: "New workstation",
      look: "create",
      body: () => form.draw(),
      onClose: () => {
        this.#dialog = null;
        form.dispose();
        if (location.hash.startsWith("#/workstations/new")) this.filter({});
      },
    });
    form.begin(this.#dialog);
  }
}

function nameCell({ id, userEmail, userId }) {
  return [
    h("a", { class: "row-link mono", href: href(["workstations", id]) }, id),
    h("span", { class: "sub" }, userEmail || userId),
  ];
}

function organizationCell({ organizationId }) {
  return h("a", { class: "plain-link", href: href(["workstations"], { organizationId }) }, organizationId);
}

function tierCell(row) {
  return [row.tier, h("span", { class: "sub" }, specText(row))];
}

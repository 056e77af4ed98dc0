// The audit: who did what, when, from where, with what outcome; whether it is whole; and a copy of it. For admins.

import { h } from "../dom.js";
import { capitalized, spaced } from "../format.js";
import { ListPage } from "../list_page.js";
import { ago, badge, button, choice, emptyState, errorBox, field, icon, spinner, table } from "../parts.js";
import { href } from "../router.js";
import { subjectLink } from "./alert_parts.js";

const kPath = "/v1/audit";
const kRefreshMs = 10_000;
const kNumbers = new Intl.NumberFormat();
const kOutcomes = [
  ["", "Any"],
  ["success", "Success"],
  ["failure", "Failure"],
  ["denied", "Denied"],
];

export class AuditPage extends ListPage {
  title = "Audit";
  words = ["entry", "entries"];
  #verdict = null; // {busy, checked} | {report, checked} | {error}
  #exporting = false;

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: kPath, section: ["audit"], everyMs: kRefreshMs });
  }

  keyOf({ seq }) {
    return String(seq);
  }

  actions() {
    const busy = this.#verdict?.busy;
    return [
      button([busy ? spinner() : null, "Verify"], () => this.#verify(), {
        iconName: busy ? null : "shield",
        disabled: busy,
      }),
      button("Export", () => this.#export(), { iconName: "out", disabled: this.#exporting }),
    ];
  }

  intro() {
    return [
      h(
        "p",
        { class: "muted" },
        "Every entry carries the hash of the one before it: nothing can be changed or taken out unseen.",
      ),
      this.#verdict ? verdictBox(this.#verdict, () => ((this.#verdict = null), this.redraw())) : null,
    ];
  }

  filters() {
    const { actor = "", action = "", resourceType = "", resourceId = "", outcome = "" } = this.query;
    const text = (label, name, value, placeholder) =>
      field(label, {
        name,
        type: "search",
        value,
        placeholder,
        onchange: (event) => this.filter({ [name]: event.target.value.trim() }),
      });
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter the audit" },
      text("Who", "actor", actor, "usr_…"),
      text("Action", "action", action, "workstation."),
      text("Kind of resource", "resourceType", resourceType, "workstation"),
      text("Resource", "resourceId", resourceId, "ws-…"),
      choice("Outcome", "outcome", outcome, kOutcomes, (value) => this.filter({ outcome: value })),
    );
  }

  none() {
    return emptyState("No entries", this.filtered ? "No entry fits these filters." : "What is done shows here.");
  }

  columns(now) {
    return auditColumns(now);
  }

  // A long chain is looked at in slices, each from where the one before it came to.
  async #verify() {
    let checked = 0;
    let report = null;
    try {
      do {
        this.#verdict = { busy: true, checked };
        this.redraw();
        const { data } = await this.app.api.get(`${kPath}/verify`, { query: { from: report?.reached } });
        report = data;
        checked += report.checked;
      } while (report.intact && !report.complete);
      this.#verdict = { report, checked };
      this.app.announce(report.intact ? "The audit is whole" : "The audit is broken");
    } catch (error) {
      if (!error.code) throw error;
      this.#verdict = { error };
    }
    this.redraw();
  }

  // Fetched with the key, which a plain link cannot carry, and handed over as a file.
  #export() {
    const { since, until } = this.query;
    this.#exporting = true;
    return this.deeds
      .do("Exported", async () => save(await this.app.api.file(`${kPath}/export`, { query: { since, until } })))
      .finally(() => ((this.#exporting = false), this.redraw()));
  }
}

function save(blob) {
  const url = URL.createObjectURL(blob);
  const day = new Date().toISOString().slice(0, 10);
  Object.assign(document.createElement("a"), { href: url, download: `slipway-audit-${day}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // by then the browser has taken it
}

function verdictBox({ busy, checked, report, error }, onDismiss) {
  const sofar = checked ? ` ${kNumbers.format(checked)} so far.` : "";
  if (busy) return h("p", { class: "note", role: "status" }, spinner(), `Every entry is being checked.${sofar}`);
  if (error) return errorBox(error, { title: "It cannot be verified", onDismiss });
  const { intact, head } = report;
  return h(
    "div",
    { class: `note ${intact ? "note-good" : "note-bad"}`, role: "status" },
    icon(intact ? "check" : "alert"),
    h(
      "div",
      { class: "note-text" },
      h(
        "p",
        null,
        h("strong", null, intact ? "The audit is whole. " : "The audit is broken. "),
        verdictText(report, checked),
      ),
      h("p", { class: "sub" }, "Its head, worth being noted elsewhere: ", h("code", null, head)),
    ),
    h("button", { type: "button", class: "plain", "aria-label": "Dismiss", onclick: onDismiss }, icon("cross")),
  );
}

function verdictText({ fault, sealFits }, checked) {
  const parts = [`${kNumbers.format(checked)} ${checked === 1 ? "entry was" : "entries were"} checked.`];
  if (fault) parts.push(`Entry ${fault.seq}: ${fault.reason}.`);
  if (!sealFits) parts.push("The seal of its head does not fit.");
  return parts.join(" ");
}

export function auditTable(entries, now, { withResource = true } = {}) {
  const columns = auditColumns(now).filter(({ name }) => withResource || name !== "On");
  return table("Audit", columns, entries, ({ seq }) => String(seq));
}

function auditColumns(now) {
  return [
    { name: "What", look: "cell-main", cell: whatCell },
    { name: "Outcome", look: "cell-status", cell: ({ outcome }) => badge(outcome) },
    { name: "On", cell: (row) => subjectLink({ resourceType: row.resource_type, resourceId: row.resource_id }) },
    { name: "Who", cell: whoCell },
    { name: "When", cell: ({ at }) => ago(at, now) },
  ];
}

function whatCell({ seq, action, details, request_id: requestId, hash }) {
  const rows = [...Object.entries(details ?? {}), ["request", requestId], ["hash", hash]].filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  return [
    h("strong", null, action),
    h(
      "details",
      { class: "sub" },
      h("summary", null, `Entry ${seq}`),
      h(
        "dl",
        { class: "facts small" },
        rows.map(([name, value]) =>
          h("div", { key: name }, h("dt", null, capitalized(spaced(name))), h("dd", { class: "mono" }, detail(value))),
        ),
      ),
    ),
  ];
}

// What a run did is told by that run.
function detail(value) {
  if (typeof value === "string" && value.startsWith("run_")) return h("a", { href: href(["runs", value]) }, value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function whoCell({ actor_id: actor, remote }) {
  return [h("code", null, actor), remote ? h("span", { class: "sub" }, `from ${remote}`) : null];
}

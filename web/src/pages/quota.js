// What workspaces may cost a day, and what they do. For admins: of anybody, and the groups that budgets come from.

import { openConfirmation, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { DialogForm } from "../form.js";
import { aDay, credits } from "../jobs/job_parts.js";
import { AnswerPage } from "../list_page.js";
import { isAbout } from "../live.js";
import { Loader } from "../loader.js";
import { actionsColumn, ago, button, card, errorBox, field, table } from "../parts.js";
import { href } from "../router.js";

const kEveryone = "everyone"; // the group that everybody is in
const groupPath = (name) => `/v1/groups/${encodeURIComponent(name)}`;

export class QuotaPage extends AnswerPage {
  title = "Quota";
  trouble = "Cannot load the quota";
  #groups = null; // for admins

  constructor(app, route, redraw) {
    const wants = (event) => isAbout(event, "workspace", "build", "run", "group");
    super(app, route, redraw, { path: "/v1/quota", section: ["quota"], wants, burstMs: 1_000 });
  }

  get #isAdmin() {
    return this.app.me()?.role === "admin";
  }

  refresh() {
    this.#groups?.refresh();
    return super.refresh();
  }
  dispose() {
    super.dispose();
    this.#groups?.dispose();
  }

  filters() {
    if (!this.#isAdmin) return null;
    const props = { name: "owner", placeholder: "mine", value: this.query.owner ?? "" };
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Whose quota" },
      field("Owner (a user's id)", {
        ...props,
        onchange: (event) => this.filter({ owner: event.target.value.trim() }),
      }),
    );
  }

  content(quota, now) {
    return [budgetCard(quota), workspacesCard(quota), this.#isAdmin ? this.#groupsCard(now) : null];
  }

  // ---- groups

  #groupsCard(now) {
    if (!this.#groups) {
      this.#groups = new Loader(
        (signal) => this.app.api.get("/v1/groups", { signal }),
        () => this.redraw(),
      );
      this.#groups.refresh();
    }
    const { data, error } = this.#groups;
    const make = button("New group", () => this.#edit(null), { look: "small-button", iconName: "plus" });
    const none = "There are no groups: nobody has a limit. The budget of a user is the sum over the user's groups.";
    return card(
      ["Groups", make],
      errorBox(error),
      data?.length ? table("Groups", this.#columns(now), data, ({ name }) => name) : h("p", { class: "muted" }, none),
    );
  }

  #columns(now) {
    const look = "small-button";
    const members = ({ name, members: ids = [] }) => (name === kEveryone ? "everybody" : ids.length.toLocaleString());
    return [
      { name: "Group", look: "cell-main", cell: ({ name }) => h("strong", null, name) },
      { name: "Budget a day", look: "cell-number", cell: ({ dailyBudget }) => credits(dailyBudget) },
      { name: "Members", look: "cell-number", cell: members },
      { name: "Changed", cell: ({ updatedAt }) => ago(updatedAt, now) },
      actionsColumn((group) => [
        button("Edit", () => this.#edit(group), { look, iconName: "pencil", name: `Edit ${group.name}` }),
        button("Delete", () => this.#askToDelete(group), { look, name: `Delete ${group.name}` }),
      ]),
    ];
  }

  #edit(group) {
    const form = new GroupForm(this.app, group, () => this.refresh());
    const title = group ? `Edit ${group.name}` : "New group";
    form.begin(openDialog({ title, look: "create", body: () => form.draw() }));
  }

  #askToDelete({ name }) {
    openConfirmation({
      title: `Delete the group ${name}?`,
      verb: "Delete group",
      look: "danger",
      content: () => h("p", null, "Its members lose its budget. Their workspaces go on; what costs more is refused."),
      act: async () => {
        await this.app.api.delete(groupPath(name));
        this.app.announce(`${name} is deleted`);
        this.refresh();
      },
    });
  }
}

function budgetCard({ consumed, budget, groups = [] }) {
  const hasLimit = budget !== undefined && budget !== null;
  const part = hasLimit ? Math.min(1, budget ? consumed / budget : Number(consumed > 0)) : 0;
  const isFull = hasLimit && consumed >= budget && consumed > 0;
  return h(
    "section",
    { class: "card", "aria-label": "Budget" },
    h(
      "dl",
      { class: "tiles" },
      tile("Taken a day", consumed.toLocaleString()),
      tile("Budget a day", hasLimit ? budget.toLocaleString() : "no limit"),
      hasLimit ? tile("Left", Math.max(0, budget - consumed).toLocaleString()) : null,
    ),
    hasLimit
      ? h(
          "div",
          { class: "quota-bar", "aria-hidden": "true" },
          h("span", { class: isFull ? "tone-bad" : "tone-good", style: { "--part": String(part) } }),
        )
      : null,
    h(
      "p",
      { class: "muted small" },
      groups.length ? `In credits. The budget comes from: ${groups.join(", ")}.` : "In credits.",
    ),
  );
}

const tile = (name, value) => h("div", { class: "tile" }, h("dt", null, name), h("dd", null, value));

function workspacesCard({ shares }) {
  if (!shares?.length) return card("By workspace", h("p", { class: "muted" }, "None is built from a template."));
  const columns = [
    {
      name: "Workspace",
      look: "cell-main",
      cell: ({ workspaceId, name }) => h("a", { class: "row-link", href: href(["workspaces", workspaceId]) }, name),
    },
    {
      name: "Template",
      cell: ({ templateName }) => h("a", { href: href(["templates", templateName]) }, templateName),
    },
    { name: "A day", look: "cell-number", cell: ({ dailyCost }) => aDay(dailyCost) },
  ];
  return card(
    "By workspace",
    table("Workspaces", columns, shares, ({ workspaceId }) => workspaceId),
  );
}

class GroupForm extends DialogForm {
  verb = "Save";
  #app;
  #group;
  #saved;

  constructor(app, group, saved) {
    super();
    this.#app = app;
    this.#group = group;
    this.#saved = saved;
    this.values = {
      name: group?.name ?? "",
      dailyBudget: String(group?.dailyBudget ?? ""),
      members: (group?.members ?? []).join("\n"),
    };
  }

  fieldNames() {
    return ["name", "dailyBudget", "members"];
  }
  fields() {
    const isEveryone = this.values.name.trim() === kEveryone;
    return [
      this.#group
        ? null
        : this.text("name", "Name", {
            autofocus: true,
            hint: `Lower-case letters, digits and -; everybody is in ${kEveryone}`,
            oninput: (event) => ((this.values.name = event.target.value), this.redraw()),
          }),
      this.text("dailyBudget", "Budget a day, for each member", {
        autofocus: Boolean(this.#group),
        type: "number",
        min: "0",
        value: this.values.dailyBudget,
        hint: "In credits",
      }),
      isEveryone ? null : this.#members(),
    ];
  }

  #members() {
    const problem = this.problemAt("members");
    return h(
      "div",
      { class: "field" },
      h("label", { class: "field-name", for: "field-members" }, "Members"),
      h("textarea", {
        id: "field-members",
        name: "members",
        class: "mono",
        rows: "5",
        spellcheck: "false",
        value: this.values.members,
        "aria-invalid": problem ? "true" : null,
        oninput: (event) => (this.values.members = event.target.value),
      }),
      problem ?? h("p", { class: "hint" }, "Ids of users, one on each line"),
    );
  }

  body() {
    const members = this.values.members.split(/\s+/).filter(Boolean);
    const isEveryone = this.values.name.trim() === kEveryone;
    return { dailyBudget: Number(this.values.dailyBudget), ...(isEveryone ? {} : { members }) };
  }
  send(body) {
    return this.#app.api.put(groupPath(this.values.name.trim()), body);
  }
  done() {
    this.#app.announce("Saved");
    this.#saved();
  }
}

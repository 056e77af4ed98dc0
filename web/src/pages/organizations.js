// Organizations: how many workstations each has, and the isolated network that they go into. For admins.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { DialogForm } from "../form.js";
import { ListPage } from "../list_page.js";
import { isAbout } from "../live.js";
import { actionsColumn, ago, button, emptyState } from "../parts.js";
import { href } from "../router.js";

const kPath = "/v1/organizations";
const kBurstMs = 1_000;

export class OrganizationsPage extends ListPage {
  title = "Organizations";
  words = ["organization", "organizations"];

  constructor(app, route, redraw) {
    const wants = (event) => isAbout(event, "workstation", "organization");
    super(app, route, redraw, { path: kPath, section: ["organizations"], wants, burstMs: kBurstMs });
  }

  asked() {
    const { id, ...rest } = super.asked(); // `id` is not a filter of the API, but which one a link is to
    return rest;
  }

  actions() {
    return button("New organization", () => this.#edit(null), { look: "primary", iconName: "plus" });
  }

  none() {
    return emptyState(
      "No organizations",
      "One is made with its first workstation; make it before to say in which network that goes.",
      this.actions(),
    );
  }

  columns(now) {
    const or = (value, none) => (value ? h("code", null, short(value)) : h("span", { class: "muted" }, none));
    return [
      { name: "Organization", look: "cell-main", cell: ({ id }) => h("strong", null, id) },
      {
        name: "Workstations",
        look: "cell-number",
        cell: ({ id, workstationCount }) =>
          h("a", { href: href(["workstations"], { organizationId: id }) }, String(workstationCount)),
      },
      { name: "Cluster", cell: ({ cluster }) => or(cluster, "the usual one") },
      {
        name: "Network",
        cell: ({ network, subnetwork }) => [
          or(network, "the cluster's"),
          subnetwork ? h("span", { class: "sub mono" }, short(subnetwork)) : null,
        ],
      },
      { name: "Changed", cell: ({ updatedAt }) => ago(updatedAt, now) },
      actionsColumn((organization) =>
        button("Edit", () => this.#edit(organization), {
          look: "small-button",
          iconName: "pencil",
          name: `Edit ${organization.id}`,
        }),
      ),
    ];
  }

  #edit(organization) {
    const form = new OrganizationForm(this.app, organization, () => this.refresh());
    const title = organization ? `Network of ${organization.id}` : "New organization";
    form.begin(openDialog({ title, look: "create", body: () => form.draw() }));
  }
}

// The last part of a resource name says it, for who knows the project.
const short = (name) => name.split("/").at(-1);

class OrganizationForm extends DialogForm {
  #app;
  #isNew;
  #saved;

  constructor(app, organization, saved) {
    super();
    this.#app = app;
    this.#isNew = !organization;
    this.#saved = saved;
    const { id = "", cluster, network, subnetwork } = organization ?? {};
    this.values = { id, cluster: cluster ?? "", network: network ?? "", subnetwork: subnetwork ?? "" };
  }

  get verb() {
    return this.#isNew ? "Make organization" : "Save";
  }
  fieldNames() {
    return ["id", "cluster", "network", "subnetwork"];
  }

  fields() {
    const text = (name, label, more) => this.text(name, label, { value: this.values[name], ...more });
    return [
      this.#isNew ? text("id", "Id", { autofocus: true, hint: "As messages name it: org_id" }) : null,
      text("cluster", "Cluster", { autofocus: !this.#isNew, hint: "Its workstation cluster; empty for the usual one" }),
      text("network", "Network", { placeholder: "projects/P/global/networks/N" }),
      text("subnetwork", "Subnetwork", { placeholder: "projects/P/regions/R/subnetworks/S" }),
      h("p", { class: "hint" }, "Workstations that are made from now on go there. Those that exist stay."),
    ];
  }

  body() {
    const { id: _id, ...rest } = this.values;
    return Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, value.trim() || null]));
  }
  send(body) {
    const id = this.values.id.trim();
    return this.#app.api.put(`${kPath}/${encodeURIComponent(id)}`, body);
  }
  done() {
    this.#app.announce("Saved");
    this.#saved();
  }
}

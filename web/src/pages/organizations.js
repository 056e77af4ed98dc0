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

  actions() {
    return button("Set up", () => this.#setUp({}), {
      look: "primary",
      iconName: "plus",
      name: "Set up an organization",
    });
  }

  none() {
    return emptyState(
      "No organizations",
      "One is there with its first workstation. Set it up before, and that goes into a network of its own.",
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
      actionsColumn((organization) => [
        button("Set up", () => this.#setUp(organization), { look: "small-button", name: `Set up ${organization.id}` }),
        button("Edit", () => this.#edit(organization), {
          look: "small-button",
          iconName: "pencil",
          name: `Edit ${organization.id}`,
        }),
      ]),
    ];
  }

  #edit(organization) {
    const saved = () => (this.app.announce("Saved"), this.refresh());
    open(`Place of ${organization.id}`, new PlaceForm(this.app, organization, saved));
  }

  #setUp(organization) {
    const begun = (run) => this.app.navigate(["runs", run.id]);
    const title = organization.id ? `Set up ${organization.id}` : "Set up an organization";
    open(title, new SetupForm(this.app, organization, begun));
  }
}

const open = (title, form) => form.begin(openDialog({ title, look: "create", body: () => form.draw() }));

// The last part of a resource name says it, for who knows the project.
const short = (name) => name.split("/").at(-1);

const kPlace = ["cluster", "network", "subnetwork"];

/** What is there already is chosen: nothing is made. */
class PlaceForm extends DialogForm {
  verb = "Save";
  #app;
  #id;
  #saved;

  constructor(app, organization, saved) {
    super();
    this.#app = app;
    this.#id = organization.id;
    this.#saved = saved;
    for (const name of kPlace) this.values[name] = organization[name] ?? "";
  }

  fieldNames() {
    return kPlace;
  }
  fields() {
    return [
      placeField(this, "cluster", "Cluster", { autofocus: true, hint: "Its workstation cluster, which must be there" }),
      placeField(this, "network", "Network", { placeholder: "projects/P/global/networks/N" }),
      placeField(this, "subnetwork", "Subnetwork", { placeholder: "projects/P/regions/R/subnetworks/S" }),
      h("p", { class: "hint" }, "Workstations that are made from now on go there. Those that exist stay."),
    ];
  }
  body() {
    return { cluster: "", ...filled(this.values) };
  }
  send(body) {
    return this.#app.api.put(`${kPath}/${encodeURIComponent(this.#id)}`, body);
  }
  done() {
    this.#saved();
  }
}

/** What is not there is made: a cluster in the network, with a config for each tier. */
class SetupForm extends DialogForm {
  verb = "Set up";
  #app;
  #isNew;
  #begun;

  constructor(app, organization, begun) {
    super();
    this.#app = app;
    this.#isNew = !organization.id;
    this.#begun = begun;
    this.values.organizationId = organization.id ?? "";
    for (const name of kPlace) this.values[name] = organization[name] ?? "";
  }

  fieldNames() {
    return ["organizationId", ...kPlace];
  }
  fields() {
    return [
      h("p", { class: "muted" }, "Makes a cluster in its network, with a config for each tier. What is there is kept."),
      this.#isNew
        ? placeField(this, "organizationId", "Organization", { autofocus: true, hint: "As messages name it: org_id" })
        : null,
      placeField(this, "network", "Network", {
        autofocus: !this.#isNew,
        placeholder: "projects/P/global/networks/N",
        hint: "Leave empty for the project's default",
      }),
      placeField(this, "subnetwork", "Subnetwork", { placeholder: "projects/P/regions/R/subnetworks/S" }),
      placeField(this, "cluster", "Cluster", { hint: "Leave empty for one named after the organization" }),
    ];
  }
  body() {
    return filled(this.values);
  }
  send(body, options) {
    return this.#app.api.post("/v1/workstations/setup", body, options);
  }
  done({ data }) {
    this.#app.announce("Setting up begins");
    this.#begun(data.run);
  }
}

const placeField = (form, name, label, more) => form.text(name, label, { value: form.values[name], ...more });

const filled = (values) =>
  Object.fromEntries(
    Object.entries(values)
      .map(([name, value]) => [name, value.trim()])
      .filter(([, value]) => value),
  );

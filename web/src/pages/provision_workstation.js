// The form that orders a workstation, as a message of the subscription would.

import { DialogForm } from "../form.js";
import { h } from "../dom.js";
import { Loader } from "../loader.js";
import { errorBox, skeleton } from "../parts.js";
import { tierCards } from "./tier_cards.js";

const kPath = "/v1/workstations";
const kTextFields = ["userId", "userEmail", "organizationId"];
const kOrganizationsOffered = 100;

export class ProvisionForm extends DialogForm {
  verb = "Provision workstation";
  #app;
  #onOrdered;
  #tiers;
  #organizations;

  /** `onOrdered(data)` gets the 202's data, after the dialog has closed. */
  constructor(app, onOrdered) {
    super();
    this.#app = app;
    this.#onOrdered = onOrdered;
    const load = (path, query) =>
      new Loader(
        (signal) => app.api.get(path, { query, signal }),
        () => this.#arrived(),
      );
    this.#tiers = load("/v1/tiers");
    this.#organizations = load("/v1/organizations", { limit: kOrganizationsOffered });
  }

  begin(dialog) {
    super.begin(dialog);
    this.#tiers.refresh();
    this.#organizations.refresh(); // only to offer what is there: without them the field takes any
  }
  dispose() {
    this.#tiers.dispose();
    this.#organizations.dispose();
  }

  fieldNames() {
    return [...kTextFields, "tier"];
  }

  fields() {
    return [
      h(
        "div",
        { class: "halves" },
        this.text("userId", "User", { autofocus: true, hint: "As your shop knows them", placeholder: "user_2f8a…" }),
        this.text("organizationId", "Organization", { list: "organizations", hint: "In whose network it is made" }),
      ),
      h(
        "datalist",
        { id: "organizations" },
        (this.#organizations.data ?? []).map(({ id }) => h("option", { value: id, key: id })),
      ),
      this.text("userEmail", "E-mail", {
        type: "email",
        hint: "Told when it is ready, with a link to it",
        placeholder: "name@example.com",
      }),
      this.#tierChoice(),
    ];
  }

  #tierChoice() {
    const { data, error } = this.#tiers;
    if (error) return errorBox(error, { title: "The tiers cannot be shown" });
    if (!data) return skeleton(4);
    const choose = (name) => ((this.values.tier = name), this.redraw());
    return tierCards(data, this.values.tier, choose, { problem: this.problemAt("tier") });
  }

  #arrived() {
    this.values.tier ??= this.#tiers.data?.[0]?.name;
    this.redraw();
  }

  body() {
    const text = (name) => [name, this.values[name]?.trim() ?? ""];
    return { ...Object.fromEntries(kTextFields.map(text)), tier: this.values.tier };
  }
  send(body, options) {
    return this.#app.api.post(kPath, body, options);
  }
  done({ data }) {
    this.#app.announce("Provisioning begins");
    this.#onOrdered(data);
  }
}

// What a build would cost, and whether the owner's budget has room for it: asked before it begins (RUN-11).

import { h } from "../dom.js";
import { Loader } from "../loader.js";
import { button, errorBox, icon } from "../parts.js";
import { aDay, credits } from "./job_parts.js";

export class QuotaNote {
  #app;
  #asked = null; // the question, as text
  #loader = null;
  #onChange;

  constructor(app, onChange) {
    this.#app = app;
    this.#onChange = onChange;
  }

  /** `question` is the body of /v1/quota/check. The same one again asks nothing. */
  ask(question) {
    const text = JSON.stringify(question);
    if (text === this.#asked) return;
    this.dispose();
    this.#asked = text;
    this.#loader = new Loader(() => this.#app.api.post("/v1/quota/check", question), this.#onChange);
    this.#loader.refresh();
  }
  again() {
    this.#loader?.refresh();
  }
  dispose() {
    this.#loader?.dispose();
  }

  draw() {
    const { data, error } = this.#loader ?? {};
    if (error) return errorBox(error, { title: "Cannot ask for the quota" });
    return h(
      "div",
      { class: `note quota-note ${data && !data.ok ? "tone-bad" : ""}`, role: "status" },
      icon(data && !data.ok ? "alert" : "gauge"),
      h("span", { class: "note-text" }, data ? words(data) : "Asking what it costs …"),
      button("Ask again", () => this.again(), { look: "small-button" }),
    );
  }
}

function words({ ok, dailyCost, previousDailyCost, consumed, budget }) {
  const change = previousDailyCost ? ` (now ${previousDailyCost.toLocaleString()})` : "";
  const cost = h("strong", null, `Costs ${aDay(dailyCost)}${change}. `);
  if (budget === undefined || budget === null) return [cost, "There is no limit."];
  const taken = `${credits(consumed)} of ${budget.toLocaleString()} a day`;
  if (ok) return [cost, `All workspaces together then take ${taken}.`];
  return [cost, `That is more than the budget: all together would take ${taken}. The build would be refused.`];
}

// The choice of a tier: what each costs and what its machine has.

import { h } from "../dom.js";

const dollars = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", maximumFractionDigits: 0 });

export const priceText = ({ monthlyCostUsd }) => (monthlyCostUsd ? dollars.format(monthlyCostUsd) : "–");

/** `now`: the tier that it has already; `fits(tier)`: whether it may be chosen. `problem` stands below, for the field `tier`. */
export function tierCards(tiers, chosen, onchange, { now = null, fits = () => true, problem = null } = {}) {
  return h(
    "fieldset",
    { class: "machines", "aria-describedby": problem ? "field-tier-error" : null },
    h("legend", { class: "field-name" }, "Tier"),
    h(
      "div",
      { class: "tier-cards" },
      tiers.map((tier) =>
        card(tier, { checked: tier.name === chosen, isNow: tier.name === now, fits: fits(tier) }, onchange),
      ),
    ),
    problem,
  );
}

function card(tier, { checked, isNow, fits }, onchange) {
  const { name, machineType, vcpus, memoryGb, diskGb } = tier;
  const part = (value, unit) => h("span", { key: unit }, h("strong", null, String(value)), ` ${unit}`);
  return h(
    "label",
    { class: fits ? "machine" : "machine unfit", key: name },
    h("input", { type: "radio", name: "tier", value: name, checked, disabled: !fits, onchange: () => onchange(name) }),
    h(
      "span",
      { class: "tier-card" },
      h(
        "span",
        { class: "tier-head" },
        h("strong", { class: "tier-name" }, name),
        h("span", null, priceText(tier), h("span", { class: "muted small" }, " / month")),
      ),
      h(
        "span",
        { class: "tier-parts small muted" },
        part(vcpus, "vCPU"),
        part(memoryGb, "GB memory"),
        part(diskGb, "GB disk"),
      ),
      h("span", { class: "small muted" }, h("code", null, machineType), isNow ? " · as it is" : ""),
    ),
  );
}

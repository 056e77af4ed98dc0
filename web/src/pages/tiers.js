// What workstations are sold as, and how many there are of each, by what they do now.

import { h } from "../dom.js";
import { capitalized } from "../format.js";
import { AnswerPage } from "../list_page.js";
import { isAbout } from "../live.js";
import { emptyState, table } from "../parts.js";
import { href } from "../router.js";
import { priceText } from "./tier_cards.js";
import { kStatuses, workstationTone } from "./workstation_parts.js";

const kBurstMs = 1_000;
const kShown = kStatuses.filter((status) => status !== "deleted"); // those are no more

export class TiersPage extends AnswerPage {
  title = "Tiers";
  trouble = "Cannot load the tiers";

  constructor(app, route, redraw) {
    const wants = (event) => isAbout(event, "workstation");
    super(app, route, redraw, { path: "/v1/tiers", section: ["tiers"], wants, burstMs: kBurstMs });
  }

  intro() {
    return h(
      "p",
      { class: "muted" },
      "A tier stands for a machine. The table is in the file of ",
      h("code", null, "slipway serve --cloud"),
      ".",
    );
  }

  content(tiers) {
    if (!tiers.length) return emptyState("No tiers", "This hub makes no workstations.");
    const number = (name, cell) => ({ name, look: "cell-number", cell });
    const columns = [
      { name: "Tier", look: "cell-main cell-tier", cell: nameCell },
      number("vCPU", ({ vcpus }) => String(vcpus)),
      number("Memory", ({ memoryGb }) => `${memoryGb} GB`),
      number("Disk", ({ diskGb }) => `${diskGb} GB`),
      number("About, a month", priceText),
      { name: "Workstations", look: "cell-wide", cell: countsCell },
    ];
    return table("Tiers", columns, tiers, ({ name }) => name);
  }
}

function nameCell({ name, machineType }) {
  return [
    h("a", { class: "row-link", href: href(["workstations"], { tier: name }) }, name),
    h("span", { class: "sub mono" }, machineType),
  ];
}

// A bar for the eye, and the same in words, each a way to those that are meant.
function countsCell({ name, workstations = {} }) {
  const counts = kShown.map((status) => [status, workstations[status] ?? 0]).filter(([, count]) => count);
  if (!counts.length) return h("span", { class: "muted" }, "None");
  const link = ([status, count]) =>
    h(
      "a",
      {
        key: status,
        class: `count-link tone-${workstationTone(status)}`,
        href: href(["workstations"], { tier: name, status }),
      },
      h("span", { class: "dot", "aria-hidden": "true" }),
      `${count} ${status}`,
    );
  return [
    h(
      "span",
      { class: "share-bar", "aria-hidden": "true" },
      counts.map(([status, count]) =>
        h("span", {
          key: status,
          class: `tone-${workstationTone(status)}`,
          title: capitalized(status),
          style: { "flex-grow": String(count) },
        }),
      ),
    ),
    h("span", { class: "count-links" }, counts.map(link)),
  ];
}

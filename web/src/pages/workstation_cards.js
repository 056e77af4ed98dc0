// The cards of a workstation's page. Each shows what it is given and keeps nothing.

import { h } from "../dom.js";
import { duration } from "../format.js";
import { ago, card, command, errorBox, facts, icon, skeleton } from "../parts.js";
import { href } from "../router.js";
import { alertList } from "./alert_parts.js";
import { auditTable } from "./audit.js";
import { lastTrouble, waitingStep } from "./workstation_parts.js";

/** What a workstation waits for, told so that nobody thinks that it failed. */
export function waitingNote({ waitingFor, organizationId }, run, now) {
  if (!waitingFor) return null;
  const at = waitingStep(run)?.nextAttemptAt;
  const trouble = lastTrouble(run);
  const others = h("a", { href: href(["workstations"], { status: "waiting" }) }, "All that wait");
  return h(
    "div",
    { class: "note note-wait", role: "status" },
    icon("clock"),
    h(
      "div",
      { class: "note-text" },
      h(
        "p",
        null,
        h("strong", null, `Waiting for ${waitingFor}. `),
        "The cloud has no room for it now; nothing is lost.",
      ),
      h(
        "p",
        { class: "sub" },
        trouble ? `${trouble.message.replace(/\.$/, "")}. ` : null,
        "Next try ",
        at ? ago(at, now) : "soon",
        `. For ${organizationId}.`,
      ),
    ),
    others,
  );
}

export function machineCard({ tier, machineType, vcpus, memoryGb, bootDiskSizeGb }) {
  const part = (name, value, unit) =>
    h("div", { class: "spec", key: name }, h("dt", null, name), h("dd", null, value ?? "–", h("small", null, unit)));
  return card(
    ["Machine", h("span", { class: "chip" }, tier)],
    h(
      "dl",
      { class: "specs" },
      part("Processors", vcpus, " vCPU"),
      part("Memory", memoryGb, " GB"),
      part("Disk", bootDiskSizeGb, " GB"),
    ),
    facts([["Machine type", h("code", null, machineType)]]),
  );
}

export function cloudCard({ gcpWorkstationId, config, launchUrl }, announce) {
  return card(
    "In the cloud",
    gcpWorkstationId
      ? command(gcpWorkstationId, "Its resource name", announce)
      : h("p", { class: "muted" }, "It has no name there yet."),
    facts([
      ["Config", config ? h("code", null, config) : null],
      ["Opened at", launchUrl ? h("code", null, launchUrl) : null],
    ]),
  );
}

export function orderCard(workstation, now) {
  const { userId, userEmail, organizationId, createdAt, provisionedAt, updatedAt } = workstation;
  const took = provisionedAt ? Date.parse(provisionedAt) - Date.parse(createdAt) : null;
  return card(
    "Whose it is",
    facts([
      ["User", h("a", { href: href(["workstations"], { userId }) }, userId)],
      ["E-mail", userEmail],
      ["Organization", h("a", { href: href(["workstations"], { organizationId }) }, organizationId)],
      ["Ordered", ago(createdAt, now)],
      [
        "Ready",
        provisionedAt
          ? [ago(provisionedAt, now), h("span", { class: "muted" }, ` after ${duration(took)}`)]
          : "not yet",
      ],
      ["Changed", ago(updatedAt, now)],
    ]),
  );
}

export function alertsCard({ data, error }, resource, now) {
  if (error || !data?.length) return error ? card("Alerts", errorBox(error)) : null;
  const { resourceId } = resource;
  const all = h("a", { href: href(["alerts"], { state: "open,acknowledged,resolved", resourceId }) }, "All alerts");
  return card(["Alerts", all], alertList(data, now, { withSubject: false }));
}

export function auditCard({ data, error }, resource, now) {
  const all = h("a", { href: href(["audit"], resource) }, "All of it");
  if (!data) return card(["Audit", all], errorBox(error) ?? skeleton(2));
  return card(
    ["Audit", all],
    data.length ? auditTable(data, now, { withResource: false }) : h("p", { class: "muted" }, "None."),
  );
}

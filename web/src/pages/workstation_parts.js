// How a workstation is told: its status with what it waits for, its machine, what can be done with it now.

import { h } from "../dom.js";
import { capitalized } from "../format.js";
import { ago, icon, spinner } from "../parts.js";
import { href } from "../router.js";

export const kStatuses = [
  "creating",
  "running",
  "starting",
  "stopping",
  "stopped",
  "deleting",
  "deleted",
  "failed",
  "lost",
];

// Of each status: colour family and icon; without one something is under way. `running` is what its user waits for,
// where of a run it is what we wait for.
const kLooks = {
  creating: ["busy", null],
  running: ["good", "check"],
  starting: ["busy", null],
  stopping: ["busy", null],
  stopped: ["idle", "pause"],
  deleting: ["busy", null],
  deleted: ["idle", "dash"],
  failed: ["bad", "cross"],
  lost: ["bad", "alert"],
};
const kWaiting = ["wait", "clock"];

export const workstationTone = (status) => (kLooks[status] ?? ["idle"])[0];

export function workstationBadge({ status, waitingFor }) {
  const [look, iconName] = waitingFor ? kWaiting : (kLooks[status] ?? ["idle", "dash"]);
  const text = waitingFor ? `Waiting for ${waitingFor}` : capitalized(status);
  return h(
    "span",
    { class: `badge tone-${look}`, "data-status": waitingFor ? "waiting" : status },
    iconName ? icon(iconName) : spinner(),
    text,
  );
}

/** What stands below the badge: how far it is, when it is tried again, what went wrong. `run` is the one in progress. */
export function statusLines(workstation, run, now) {
  const { error, waitingFor, runId } = workstation;
  const lines = [];
  if (waitingFor) lines.push(h("span", { class: "sub", key: "next" }, "next try ", nextTry(run, now)));
  else if (run) lines.push(progressLine(run));
  else if (runId) lines.push(h("a", { class: "sub run-link", key: "run", href: href(["runs", runId]) }, "at work"));
  if (error) lines.push(h("span", { class: "sub clamp", key: "error", title: error.message }, error.message));
  return lines;
}

function nextTry(run, now) {
  const at = waitingStep(run)?.nextAttemptAt;
  return at ? ago(at, now) : "soon";
}

/** The step in which a run waits for a time to come. */
export const waitingStep = (run) =>
  run?.steps?.find(({ status, nextAttemptAt }) => status === "waiting" && nextAttemptAt);

/** What its steps met last; null when all went well. */
export const lastTrouble = (run) => run?.steps?.findLast(({ error }) => error)?.error ?? null;

/** The name of the step that a run is at; null before the first and after the last. */
export function currentStep(run) {
  const steps = run?.steps ?? [];
  return (steps.findLast(({ status }) => status === "running" || status === "waiting") ?? null)?.name ?? null;
}

function progressLine(run) {
  const { progress } = run;
  const step = currentStep(run);
  return h(
    "a",
    { class: "sub run-progress", key: "progress", href: href(["runs", run.id]) },
    h("progress", { max: "100", value: progress ?? 0, "aria-label": `Progress of ${run.type}` }),
    step ?? (run.status === "pending" ? "waits in its queue" : "at work"),
  );
}

export function specText({ vcpus, memoryGb }) {
  return [vcpus ? `${vcpus} vCPU` : null, memoryGb ? `${memoryGb} GB` : null].filter(Boolean).join(" · ");
}

// What the hub would take now; it has the last word.
const isIdle = ({ runId }) => !runId;
export const canStart = (workstation) =>
  isIdle(workstation) && Boolean(workstation.gcpWorkstationId) && ["stopped", "failed"].includes(workstation.status);
export const canStop = (workstation) => isIdle(workstation) && workstation.status === "running";
export const canChangeTier = (workstation) =>
  isIdle(workstation) && ["running", "stopped"].includes(workstation.status);
/** One that is being made may be deleted, too: that takes its making back. */
export const canDelete = (workstation) =>
  workstation.status === "creating" || (isIdle(workstation) && workstation.status !== "deleted");

/** Where its user opens it; only what a browser may safely be sent to. */
export function launchUrl({ status, launchUrl: url }) {
  return status === "running" && /^https?:\/\//i.test(url ?? "") ? url : null;
}

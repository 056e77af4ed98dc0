// What the pages of builds, jobs and templates share: why a job waits, what it made, what that costs.

import { h } from "../dom.js";
import { ago, badge, card, errorBox, facts, icon, table } from "../parts.js";
import { kEnded } from "./job_follower.js";

export const credits = (number) => `${number.toLocaleString()} ${number === 1 ? "credit" : "credits"}`;
export const aDay = (number) => (number ? `${credits(number)} a day` : "nothing");

/** Tags as chips; "any" where there are none. */
export function tagList(tags, none = "none") {
  const all = Object.entries(tags ?? {});
  if (!all.length) return h("span", { class: "muted" }, none);
  return h(
    "span",
    { class: "tags" },
    all.map(([name, value]) => h("code", { class: "tag", key: name }, value ? `${name}=${value}` : name)),
  );
}

/** Why a job that waits does: nothing for others. `job` is the answer of /v1/jobs/:id. */
export function standingCard(job, now) {
  if (!job?.pending) return null;
  const { explanation, ahead, until, daemons = [] } = job.pending;
  return card(
    ["Waiting for a daemon", h("span", { class: "muted small" }, aheadText(ahead))],
    h("p", { class: "standing" }, icon("clock"), h("span", null, explanation, until ? [" ", ago(until, now)] : null)),
    job.error ? errorBox(job.error, { title: "Its last attempt" }) : null,
    daemons.length ? daemonsTable(daemons) : null,
  );
}

const aheadText = (ahead) =>
  ahead ? `${ahead.toLocaleString()} ${ahead === 1 ? "job is" : "jobs are"} ahead of it` : "Nothing is ahead of it";

function daemonsTable(daemons) {
  const columns = [
    { name: "Daemon", look: "cell-main", cell: ({ name }) => h("strong", null, name) },
    { name: "Status", look: "cell-status", cell: ({ status }) => badge(status) },
    { name: "At work", cell: ({ busy, runners }) => `${busy} of ${runners}` },
    { name: "For this job", cell: fitCell },
  ];
  return table("Daemons", columns, daemons, ({ name }) => name);
}

function fitCell({ hasProvisioner, missingTags, provisioners }) {
  if (!hasProvisioner) return `has only ${provisioners.join(", ") || "no provisioner"}`;
  if (Object.keys(missingTags ?? {}).length) return ["lacks ", tagList(missingTags)];
  return "fits";
}

const kActions = {
  create: ["good", "plus"],
  update: ["busy", "pencil"],
  replace: ["wait", "again"],
  destroy: ["bad", "trash"],
  read: ["idle", "open"],
  none: ["idle", "dash"],
};

/** What a build did, or what an import found, with what each costs. */
export function resourcesTable(resources, label = "Resources") {
  const columns = [
    { name: "Resource", look: "cell-main", cell: resourceCell },
    { name: "Action", look: "cell-status", cell: actionCell },
    { name: "Details", cell: detailsCell },
    { name: "A day", look: "cell-number", cell: ({ dailyCost }) => (dailyCost ? credits(dailyCost) : "–") },
  ];
  const hasDetails = resources.some(({ details }) => Object.keys(details ?? {}).length);
  const shown = columns.filter(({ name }) => name !== "Details" || hasDetails);
  return table(label, shown, resources, ({ address }) => address);
}

function resourceCell({ address, type }) {
  return [h("span", { class: "mono strong" }, address), h("span", { class: "sub" }, type)];
}

function actionCell({ action }) {
  const [tone, sign] = kActions[action] ?? kActions.none;
  return h(
    "span",
    { class: `badge tone-${tone}`, "data-action": action },
    icon(sign),
    action === "none" ? "kept" : action,
  );
}

function detailsCell({ details = {} }) {
  return Object.entries(details).map(([name, value]) =>
    h("span", { class: "sub", key: name }, `${name}: `, h("code", null, value)),
  );
}

/** What a job is about, as rows of facts. */
export function jobFacts(job, now) {
  return facts([
    ["Job", h("code", null, job.id)],
    ["Provisioner", job.provisioner],
    ["Wants", Object.keys(job.tags ?? {}).length ? tagList(job.tags) : null],
    ["Attempt", job.attempt ? `${job.attempt} of ${job.attemptsMax}` : null],
    ["Daemon", job.daemonName ?? job.daemonId],
    ["Asked for", ago(job.createdAt, now)],
    ["Began", ago(job.startedAt, now, "not yet")],
    ["Ended", job.endedAt ? ago(job.endedAt, now) : null],
  ]);
}

/** Said while a cancel that was asked for has not come to anything yet. */
export function cancelNote(job) {
  if (!job?.cancelRequestedAt || kEnded.has(job.status)) return null;
  return h(
    "p",
    { class: "note", role: "status" },
    icon("clock"),
    h("span", { class: "note-text" }, "Cancel asked for. The provisioner is given time to end in order."),
  );
}

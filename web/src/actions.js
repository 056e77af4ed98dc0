// What can be done to a workspace or a run, and what is asked before it is.

import { openConfirmation } from "./dialog.js";
import { h } from "./dom.js";
import { choice } from "./parts.js";

/** Which of start and stop a workspace offers now. The hub has the last word: what it refuses is shown. */
export function canStart(workspace) {
  return !workspace.run_id && (workspace.status === "SUSPENDED" || workspace.status === "ERROR");
}
export function canStop(workspace) {
  return !workspace.run_id && workspace.status === "READY";
}

const path = (workspace, verb = "") => `/v1/workspaces/${encodeURIComponent(workspace.id)}${verb}`;

/** Its machine is whatever a template makes of it. */
export const isBuilt = ({ provider }) => provider === "template";

export function startWorkspace(api, workspace) {
  return api.post(path(workspace, "/start"), {});
}

/** `done(answer)` is called with the hub's 202. */
export function askToStop(api, workspace, done) {
  if (isBuilt(workspace)) return askToStopBuilt(api, workspace, done);
  let mode = "stop";
  const option = (value, title, text) =>
    h(
      "label",
      { class: "option" },
      h("input", {
        type: "radio",
        name: "mode",
        value,
        checked: mode === value,
        autofocus: value === "stop",
        onchange: () => (mode = value),
      }),
      h("span", null, h("strong", null, title), h("span", { class: "muted" }, text)),
    );
  return openConfirmation({
    title: `Stop ${workspace.name}?`,
    verb: "Stop workspace",
    content: () =>
      h(
        "fieldset",
        { class: "options" },
        h("legend", { class: "visually-hidden" }, "What to keep"),
        option("stop", "Stop", "Keeps the home; running programs end."),
        option(
          "suspend",
          "Suspend",
          "Keeps the home and memory: programs go on after the next start. Not every machine can.",
        ),
      ),
    act: async () => done(await api.post(path(workspace, "/stop"), { mode })),
  });
}

function askToStopBuilt(api, workspace, done) {
  return openConfirmation({
    title: `Stop ${workspace.name}?`,
    verb: "Stop workspace",
    content: () => h("p", null, "What its template makes only for a running workspace is taken away; the rest stays."),
    act: async () => done(await api.post(path(workspace, "/stop"), {})),
  });
}

export function askToDelete(api, workspace, done) {
  let typed = "";
  return openConfirmation({
    title: `Delete ${workspace.name}?`,
    verb: "Delete for ever",
    look: "danger",
    ready: () => typed === workspace.name,
    content: (dialog) => [
      h(
        "p",
        null,
        isBuilt(workspace) ? "All that was built for it is" : "Its machine and its home, with every file in it, are",
        " taken away. This cannot be undone.",
      ),
      h(
        "label",
        { class: "field" },
        h("span", { class: "field-name" }, "Type ", h("code", null, workspace.name), " to confirm"),
        h("input", {
          name: "confirm",
          autocomplete: "off",
          spellcheck: "false",
          autofocus: true,
          oninput: (event) => ((typed = event.target.value), dialog.update()),
        }),
      ),
    ],
    act: async () => done(await api.delete(path(workspace))),
  });
}

export function askToCancel(api, run, done) {
  return openConfirmation({
    title: "Cancel this run?",
    verb: "Cancel run",
    look: "danger",
    content: () =>
      h("p", null, "The step at work is asked to stop. Then what this run has made is undone, the newest first."),
    act: async () => done(await api.post(`/v1/workflows/runs/${encodeURIComponent(run.id)}/cancel`, {})),
  });
}

/** A run that ended without what was asked of it can be begun again, as a new run. */
export const canRetry = (run) => run.status === "failed" || run.status === "cancelled";

/** Asks from where; `done(answer)` is called with the hub's 202. */
export function askToRetry(api, run, done) {
  const steps = (run.steps ?? []).filter(({ name, startedAt }) => startedAt && !name.includes("["));
  let fromStep = "";
  const options = [["", "The beginning: every step again"], ...steps.map(({ name }) => [name, name])];
  return openConfirmation({
    title: "Retry this run?",
    verb: "Retry",
    content: () => [
      h("p", null, "A new run is made, linked to this one. This one stays as it is."),
      choice("Begin at", "from", fromStep, options, (value) => (fromStep = value)),
      h(
        "p",
        { class: "hint" },
        "The results of the steps before it are taken over where they still hold. What was undone is done again.",
      ),
    ],
    act: async () => {
      const path = `/v1/workflows/runs/${encodeURIComponent(run.id)}/retry`;
      done(await api.post(path, fromStep ? { fromStep } : {}));
    },
  });
}

// What can be done to workstations, one or many, and what is asked before it is.

import { ApiError } from "../api.js";
import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { tierCards } from "./tier_cards.js";

const kAtOnce = 4; // requests on their way: the hub is for others, too

export const workstationPath = (id, rest = "") => `/v1/workstations/${encodeURIComponent(id)}${rest}`;

export const startWorkstation = (api, { id }) => api.post(workstationPath(id, "/start"), {});
export const stopWorkstation = (api, { id }) => api.post(workstationPath(id, "/stop"), {});

/** Does `act(workstation)` for each; throws one error that names those which were refused. */
export async function forEach(workstations, act) {
  const left = [...workstations];
  const refused = [];
  const work = async () => {
    for (let one = left.shift(); one; one = left.shift()) {
      try {
        await act(one);
      } catch (error) {
        if (!error.code) throw error;
        refused.push([one, error]);
      }
    }
  };
  await Promise.all(Array.from({ length: kAtOnce }, work));
  if (!refused.length) return;
  const [[, first]] = refused;
  if (workstations.length === 1) throw first;
  const details = Object.fromEntries(refused.map(([{ id }, { code, message }]) => [id, `${code}: ${message}`]));
  const message = `${refused.length} of ${workstations.length} were refused: ${first.message}`;
  throw new ApiError({ ...first, message, details });
}

const named = (workstations) =>
  workstations.length === 1 ? workstations[0].id : `${workstations.length} workstations`;

/** `done()` is called when all were accepted. */
export function askToStop(api, workstations, done) {
  return openConfirmation({
    title: `Stop ${named(workstations)}?`,
    verb: "Stop",
    content: () => h("p", null, "Running programs end. Its home is kept; it can be started again."),
    act: async () => done(await forEach(workstations, (one) => stopWorkstation(api, one))),
  });
}

export function askToDelete(api, workstations, done) {
  const word = workstations.length === 1 ? workstations[0].id : String(workstations.length);
  let typed = "";
  return openConfirmation({
    title: `Delete ${named(workstations)}?`,
    verb: "Delete for ever",
    look: "danger",
    ready: () => typed.trim() === word,
    content: (dialog) => [
      h("p", null, "The machine and its home, with every file in it, are taken away. This cannot be undone."),
      h(
        "label",
        { class: "field" },
        h("span", { class: "field-name" }, "Type ", h("code", null, word), " to confirm"),
        h("input", {
          name: "confirm",
          autocomplete: "off",
          spellcheck: "false",
          autofocus: true,
          oninput: (event) => ((typed = event.target.value), dialog.update()),
        }),
      ),
    ],
    act: async () => done(await forEach(workstations, ({ id }) => api.delete(workstationPath(id)))),
  });
}

export function askForTier(api, tiers, workstation, done) {
  let chosen = workstation.tier;
  return openConfirmation({
    title: `Another tier for ${workstation.id}`,
    verb: "Change tier",
    ready: () => chosen !== workstation.tier,
    content: (dialog) => [
      h(
        "p",
        { class: "muted" },
        "It is stopped, made anew with its home, and gets another id. Its disk cannot become smaller.",
      ),
      tierCards(tiers, chosen, (name) => ((chosen = name), dialog.update()), {
        now: workstation.tier,
        fits: ({ diskGb }) => diskGb >= workstation.bootDiskSizeGb,
      }),
    ],
    act: async () => done(await api.patch(workstationPath(workstation.id), { tier: chosen })),
  });
}

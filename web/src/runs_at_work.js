// How far the runs are that rows of a list speak of. A list of runs does not tell their steps, so each is asked for by
// itself, and only as many as a person reads.

import { runHasEnded } from "./run_follower.js";

const kMost = 20;
const kAtOnce = 4;
const kEveryMs = 2_000;

export class RunsAtWork {
  #api;
  #onChange;
  #wanted = [];
  #runs = new Map(); // id → run
  #busy = false;
  #timer;
  #controller = new AbortController();

  constructor(api, onChange) {
    this.#api = api;
    this.#onChange = onChange;
    this.#timer = setInterval(() => document.hidden || this.#refresh(), kEveryMs);
  }

  /** From now on these; new ones are asked for at once. */
  want(ids) {
    const wanted = ids.slice(0, kMost);
    const hasNew = wanted.some((id) => !this.#runs.has(id));
    this.#wanted = wanted;
    for (const id of this.#runs.keys()) if (!wanted.includes(id)) this.#runs.delete(id);
    if (hasNew) this.#refresh();
  }

  /** The run with its steps, or null as long as it is not known. */
  get(id) {
    return this.#runs.get(id) ?? null;
  }

  dispose() {
    clearInterval(this.#timer);
    this.#controller.abort();
  }

  async #refresh() {
    if (this.#busy) return;
    this.#busy = true;
    const left = this.#wanted.filter((id) => !runHasEnded(this.#runs.get(id)));
    const some = left.length > 0;
    const work = async () => {
      for (let id = left.shift(); id; id = left.shift()) await this.#load(id);
    };
    await Promise.all(Array.from({ length: kAtOnce }, work));
    this.#busy = false;
    if (some && !this.#controller.signal.aborted) this.#onChange();
  }

  // What cannot be told is left away: the row says that something is at work, with a link to it.
  async #load(id) {
    const { signal } = this.#controller;
    try {
      const { data } = await this.#api.get(`/v1/workflows/runs/${encodeURIComponent(id)}`, { signal });
      this.#runs.set(id, data);
    } catch (error) {
      if (!error.code && error.name !== "AbortError") throw error;
    }
  }
}

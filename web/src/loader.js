// Data that a page shows and refreshes: the last good answer stays while a newer one is on its way.

const kBurstMs = 80; // changes come in bursts (a step ends, the next begins): one request for all of them

export class Loader {
  data = null;
  meta = null;
  error = null;
  #load;
  #onChange;
  #burstMs;
  #controller = new AbortController();
  #busy = false;
  #again = false;

  /** `load(signal)` answers `{data, meta}`; `onChange` is told after every answer. */
  constructor(load, onChange, burstMs = kBurstMs) {
    this.#load = load;
    this.#onChange = onChange;
    this.#burstMs = burstMs;
  }

  /** Never two at once: what is asked for meanwhile is done once, afterwards. */
  async refresh() {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    const { signal } = this.#controller;
    do {
      this.#again = false;
      await this.#once(signal);
      if (this.#again) await new Promise((resolve) => setTimeout(resolve, this.#burstMs));
    } while (this.#again && !signal.aborted);
    this.#busy = false;
  }

  /** Puts in what another answer already brought (a 202 carries the new record). */
  set(data) {
    this.data = data;
    this.#onChange();
  }

  dispose() {
    this.#controller.abort();
  }

  async #once(signal) {
    try {
      const { data, meta } = await this.#load(signal);
      if (signal.aborted) return;
      this.data = data;
      this.meta = meta;
      this.error = null;
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (!error.code) throw error;
      this.error = error;
    }
    this.#onChange();
  }
}

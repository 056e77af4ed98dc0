// What is done with a click: one at a time, its failure shown until the next.

import { errorBox } from "./parts.js";

export class Deeds {
  #app;
  #refresh;
  #redraw;
  #error = null;
  #busy = false;

  /** `refresh()` is called after what was done. */
  constructor(app, refresh, redraw) {
    this.#app = app;
    this.#refresh = refresh;
    this.#redraw = redraw;
  }

  get busy() {
    return this.#busy;
  }

  /** Does `act()` and says `words` when it is done. Answers what it answered, or null when it failed. */
  async do(words, act) {
    if (this.#busy) return null;
    this.#busy = true;
    this.#error = null;
    this.#redraw();
    try {
      const answer = await act();
      this.#app.announce(words);
      this.#refresh();
      return answer;
    } catch (error) {
      if (!error.code) throw error;
      this.#error = error;
      return null;
    } finally {
      this.#busy = false;
      this.#redraw();
    }
  }

  /** The last failure, to be put on the page. */
  draw() {
    return errorBox(this.#error, { onDismiss: () => ((this.#error = null), this.#redraw()) });
  }
}

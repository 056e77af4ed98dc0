// What happens to a resource now: the run in progress, or the last one seen here, with its steps over time.

import { h } from "./dom.js";
import { badge, errorBox } from "./parts.js";
import { href } from "./router.js";
import { RunFollower, runHasEnded } from "./run_follower.js";
import { Timeline } from "./timeline.js";

const kRedrawMs = 200; // while it is at work: bars and durations grow

export class RunCard {
  #app;
  #redraw;
  #onEnd;
  #follower = null;
  #timeline;
  #timer;

  /** `onEnd()`: the run has ended, what is shown of the resource may be old. */
  constructor(app, redraw, onEnd) {
    this.#app = app;
    this.#redraw = redraw;
    this.#onEnd = onEnd;
    this.#timeline = new Timeline(redraw);
    this.#timer = setInterval(() => this.run && !runHasEnded(this.run) && !document.hidden && redraw(), kRedrawMs);
  }

  get run() {
    return this.#follower?.run ?? null;
  }

  /** Without an id it stays with the one that it has. */
  follow(runId) {
    if (!runId || runId === this.#follower?.id) return;
    this.#follower?.dispose();
    let ended = false;
    const follower = new RunFollower(this.#app.api, runId, () => {
      if (!ended && runHasEnded(follower.run)) {
        ended = true;
        this.#onEnd();
      }
      this.#redraw();
    });
    this.#follower = follower;
  }

  dispose() {
    clearInterval(this.#timer);
    this.#follower?.dispose();
  }

  draw() {
    if (!this.#follower) return null;
    const { run, error, events } = this.#follower;
    if (!run) return errorBox(error, { title: "Cannot load the run" });
    const link = h("a", { href: href(["runs", run.id]) }, run.type);
    return h(
      "section",
      { class: "card current-run", "aria-labelledby": "current-run" },
      h(
        "div",
        { class: "card-head" },
        h("h2", { id: "current-run" }, runHasEnded(run) ? "Last run: " : "Now: ", link),
        badge(run.status),
      ),
      runError(run),
      this.#timeline.draw(run, events, this.#app.api.now()),
    );
  }
}

/** Why a run failed; nothing when it did not. */
export function runError({ error }) {
  return errorBox(error, { title: error?.step ? `Failed at ${error.step}` : "Failed" });
}

// One run and its journal, live until it ends. The journal's events say when to look; the run itself says what is so.

import { Loader } from "./loader.js";
import { EventFeed } from "./sse.js";

const kPollMs = 2_000; // while the stream is down
const kJournalPage = 200; // the most that the hub gives at once
const kEnded = new Set(["completed", "failed", "cancelled"]);

export const runHasEnded = (run) => kEnded.has(run?.status);

/** How long it took, or has taken up to `now`; null before it began. In ms. */
export function runTook(run, now) {
  if (Number.isFinite(run.durationMs)) return run.durationMs;
  if (!run.startedAt) return null;
  return (run.completedAt ? Date.parse(run.completedAt) : now) - Date.parse(run.startedAt);
}

export class RunFollower {
  #api;
  #id;
  #onChange;
  #loader;
  #feed;
  #poll = null;
  #events = new Map(); // seq → event: a resumed stream may repeat some

  constructor(api, id, onChange) {
    this.#api = api;
    this.#id = id;
    this.#onChange = onChange;
    this.#loader = new Loader((signal) => api.get(this.#path(), { signal }), onChange);
    this.#feed = new EventFeed(api, this.#path("/events"), {
      onEvent: (event) => this.#arrived(event),
      onState: (state) => this.#pollWhile(state === "retrying"),
      onEnd: () => this.#streamEnded(),
    });
    this.#watchVisibility();
    this.#loader.refresh();
    this.#feed.start();
  }

  get id() {
    return this.#id;
  }
  get run() {
    return this.#loader.data;
  }
  get error() {
    return this.#loader.error;
  }
  get events() {
    return [...this.#events.values()].sort((a, b) => a.seq - b.seq);
  }
  refresh() {
    return this.#loader.refresh();
  }
  dispose() {
    this.#feed.stop();
    this.#pollWhile(false);
    this.#loader.dispose();
    document.removeEventListener("visibilitychange", this.#onVisibility);
  }

  #path(rest = "") {
    return `/v1/workflows/runs/${encodeURIComponent(this.#id)}${rest}`;
  }

  #arrived({ data }) {
    if (!data?.seq) return;
    this.#events.set(data.seq, data);
    this.#onChange();
    if (!runHasEnded(this.run)) this.#loader.refresh();
  }

  async #streamEnded() {
    await this.#loader.refresh();
    return runHasEnded(this.run);
  }

  #pollWhile(down) {
    if (!down) (clearInterval(this.#poll), (this.#poll = null));
    else this.#poll ??= setInterval(() => this.#pollOnce(), kPollMs);
  }

  async #pollOnce() {
    await this.#loader.refresh();
    try {
      await this.#loadJournal();
      this.#onChange();
      if (runHasEnded(this.run)) this.#pollWhile(false);
    } catch (error) {
      if (!error.code) throw error; // what the hub refuses is shown by the loader's own error
    }
  }

  async #loadJournal() {
    let cursor = null;
    do {
      const { data, meta } = await this.#api.get(this.#path("/events"), { query: { limit: kJournalPage, cursor } });
      for (const event of data) this.#events.set(event.seq, event);
      cursor = meta?.pagination?.nextCursor;
    } while (cursor);
  }

  #onVisibility = () => {
    if (document.hidden) this.#feed.stop();
    else if (!runHasEnded(this.run)) this.#feed.start();
  };
  #watchVisibility() {
    document.addEventListener("visibilitychange", this.#onVisibility);
  }
}

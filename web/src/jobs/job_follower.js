// One job and its log, live until it ends.

import { Loader } from "../loader.js";
import { EventFeed } from "../sse.js";
import { LogModel, sectionStates } from "./log_model.js";
import { LogView } from "./log_view.js";

const kPollMs = 1_500; // of the job itself: how it stands, and who is ahead of it
const kDrawMs = 500; // durations grow

export const kEnded = new Set(["succeeded", "failed", "cancelled"]);
export const jobPath = (id, rest = "") => `/v1/jobs/${encodeURIComponent(id)}${rest}`;

export class JobFollower {
  id;
  model = new LogModel();
  view;
  #app;
  #loader;
  #feed;
  #timers;
  #onChange;
  #pending = []; // lines that came since the last drawing
  #drawAt = 0;
  #logError = null;
  #hasAll = false; // the log's last line is there

  /** `onChange()`: the job is another than before, or how it is shown. Lines of the log are drawn without it. */
  constructor(app, id, onChange) {
    this.id = id;
    this.#app = app;
    this.#onChange = onChange;
    this.view = new LogView({ follows: true, onFollow: onChange });
    this.#loader = new Loader(
      (signal) => app.api.get(jobPath(id), { signal }),
      () => this.#changed(),
    );
    this.#feed = new EventFeed(app.api, jobPath(id, "/logs"), {
      onEvent: (event) => this.#arrived(event),
      onState: (state, error) => state === "refused" && this.#fail(error),
      onEnd: () => this.#hasAll,
    });
    const while_ = (act) => () => document.hidden || this.hasEnded || act();
    this.#timers = [
      setInterval(
        while_(() => this.#loader.refresh()),
        kPollMs,
      ),
      setInterval(
        while_(() => this.#drawStates()),
        kDrawMs,
      ),
    ];
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#loader.refresh();
    this.#feed.start();
  }

  get job() {
    return this.#loader.data;
  }
  get error() {
    return this.#loader.error ?? this.#logError;
  }
  get hasEnded() {
    return kEnded.has(this.job?.status);
  }
  refresh() {
    return this.#loader.refresh();
  }
  /** How each section of the log stands now. */
  states() {
    return sectionStates(this.model.sections, this.job, this.#app.api.now());
  }

  dispose() {
    this.#timers.forEach(clearInterval);
    clearTimeout(this.#drawAt);
    this.#feed.stop();
    this.#loader.dispose();
    this.view.dispose();
    document.removeEventListener("visibilitychange", this.#onVisibility);
  }

  #changed() {
    this.#drawStates();
    this.#onChange();
  }
  #fail(error) {
    this.#logError = error;
    this.#onChange();
  }

  #arrived({ type, data }) {
    if (type === "end") {
      this.#hasAll = true;
      this.#loader.refresh();
    } else if (type === "log") {
      this.#pending.push(...[data].flat());
      this.#drawAt ||= setTimeout(() => this.#drawLines(), 50);
    }
  }

  #drawLines() {
    this.#drawAt = 0;
    const before = this.model.sections.length;
    for (const line of this.#pending.splice(0)) this.model.add(line);
    this.view.update(this.model.sections);
    this.#drawStates();
    if (this.model.sections.length !== before) this.#onChange();
  }
  #drawStates() {
    this.view.drawStates(this.states());
  }

  // A browser allows few connections to one host: hidden pages give theirs back.
  #onVisibility = () => {
    if (document.hidden) this.#feed.stop();
    else if (!this.#hasAll) this.#feed.start();
  };
}

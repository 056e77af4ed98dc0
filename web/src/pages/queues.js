// Queues: how many runs wait and are at work, within which limits. For admins.

import { Deeds } from "../deeds.js";
import { h } from "../dom.js";
import { duration } from "../format.js";
import { Loader } from "../loader.js";
import { ago, badge, button, emptyState, errorBox, pageHead, skeleton, table } from "../parts.js";
import { askForReason } from "./schedules.js";

const kBurstMs = 1_000;
const kRefreshMs = 5_000;
const kPath = "/v1/queues";

export class QueuesPage {
  title = "Queues";
  #app;
  #loader;
  #deeds;
  #unsubscribe;
  #timer;

  constructor(app, _route, redraw) {
    this.#app = app;
    this.#loader = new Loader((signal) => app.api.get(kPath, { signal }), redraw, kBurstMs);
    this.#deeds = new Deeds(app, () => this.#loader.refresh(), redraw);
    this.#unsubscribe = app.live.subscribe(() => this.#loader.refresh());
    this.#timer = setInterval(() => document.hidden || this.#loader.refresh(), kRefreshMs);
    this.#loader.refresh();
  }

  dispose() {
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#loader.dispose();
  }

  draw() {
    const { data, error } = this.#loader;
    return [
      pageHead(this.title),
      h(
        "p",
        { class: "muted" },
        "Runs begin when their queue lets them. Limits are set by ",
        h("code", null, "slipway queues"),
        ".",
      ),
      this.#deeds.draw(),
      errorBox(error, { title: "Cannot load the queues" }),
      data ? this.#list(data) : error ? null : skeleton(4),
    ];
  }

  #list(queues) {
    if (!queues.length) return emptyState("No queues", "No run waits for another.");
    const now = this.#app.api.now();
    const columns = [
      { name: "Queue", look: "cell-main", cell: ({ name }) => h("strong", null, name) },
      { name: "Status", look: "cell-status", cell: (queue) => statusCell(queue) },
      { name: "Waiting", cell: (queue) => waitingCell(queue, now) },
      { name: "At work", cell: ({ admitted, concurrency }) => admitted + (concurrency ? ` of ${concurrency}` : "") },
      { name: "Limits", cell: limitsCell },
      { name: "Actions", look: "cell-actions", hidden: true, cell: (queue) => this.#actions(queue) },
    ];
    return table("Queues", columns, queues, ({ name }) => name);
  }

  #actions({ name, paused }) {
    const patch = (body) => this.#app.api.patch(`${kPath}/${encodeURIComponent(name)}`, body);
    const resume = () => this.#deeds.do(`Resumed ${name}`, () => patch({ paused: false }));
    const pause = () =>
      askForReason(`Pause ${name}?`, "What is at work goes on; nothing new of this queue begins.", (reason) =>
        this.#deeds.do(`Paused ${name}`, () => patch(reason ? { paused: true, reason } : { paused: true })),
      );
    const options = { look: "small-button", disabled: this.#deeds.busy };
    return h(
      "div",
      { class: "row-actions" },
      paused
        ? button("Resume", resume, { ...options, iconName: "play", name: `Resume ${name}` })
        : button("Pause", pause, { ...options, iconName: "pause", name: `Pause ${name}` }),
    );
  }
}

function statusCell({ paused }) {
  return [badge(paused ? "paused" : "active"), paused?.reason ? h("span", { class: "sub" }, paused.reason) : null];
}

function waitingCell({ waiting, waitingSince }, now) {
  return [String(waiting), waitingSince ? h("span", { class: "sub" }, "since ", ago(waitingSince, now)) : null];
}

function limitsCell({ keyConcurrency, rate, size }) {
  const limits = [
    keyConcurrency ? `${keyConcurrency} at a time for each key` : null,
    rate ? `${rate.count} in ${duration(rate.periodMs)}` : null,
    size ? `${size} may wait` : null,
  ].filter(Boolean);
  return limits.length ? limits.map((limit) => h("span", { class: "sub", key: limit }, limit)) : "–";
}

// Queues: how many runs wait and are at work, within which limits. For admins.

import { h } from "../dom.js";
import { duration } from "../format.js";
import { AnswerPage } from "../list_page.js";
import { actionsColumn, ago, badge, button, emptyState, table } from "../parts.js";
import { askForReason } from "./schedules.js";

const kBurstMs = 1_000;
const kRefreshMs = 5_000;
const kPath = "/v1/queues";

export class QueuesPage extends AnswerPage {
  title = "Queues";
  trouble = "Cannot load the queues";

  constructor(app, route, redraw) {
    const often = { everyMs: kRefreshMs, wants: () => true, burstMs: kBurstMs };
    super(app, route, redraw, { path: kPath, section: ["queues"], ...often });
  }

  intro() {
    return h(
      "p",
      { class: "muted" },
      "Runs begin when their queue lets them. Limits are set by ",
      h("code", null, "slipway queues"),
      ".",
    );
  }

  content(queues, now) {
    if (!queues.length) return emptyState("No queues", "No run waits for another.");
    return table("Queues", this.#columns(now), queues, ({ name }) => name);
  }

  #columns(now) {
    return [
      { name: "Queue", look: "cell-main", cell: ({ name }) => h("strong", null, name) },
      { name: "Status", look: "cell-status", cell: (queue) => statusCell(queue) },
      { name: "Waiting", cell: (queue) => waitingCell(queue, now) },
      { name: "At work", cell: ({ admitted, concurrency }) => admitted + (concurrency ? ` of ${concurrency}` : "") },
      { name: "Limits", cell: limitsCell },
      actionsColumn((queue) => this.#action(queue)),
    ];
  }

  #action({ name, paused }) {
    const patch = (body) => this.app.api.patch(`${kPath}/${encodeURIComponent(name)}`, body);
    const resume = () => this.deeds.do(`Resumed ${name}`, () => patch({ paused: false }));
    const pause = () =>
      askForReason(`Pause ${name}?`, "What is at work goes on; nothing new of this queue begins.", (reason) =>
        this.deeds.do(`Paused ${name}`, () => patch(reason ? { paused: true, reason } : { paused: true })),
      );
    const options = { look: "small-button", disabled: this.deeds.busy };
    return paused
      ? button("Resume", resume, { ...options, iconName: "play", name: `Resume ${name}` })
      : button("Pause", pause, { ...options, iconName: "pause", name: `Pause ${name}` });
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

// Messages of the subscription: which became workstations, which were refused and why. For admins.

import { h } from "../dom.js";
import { capitalized, spaced } from "../format.js";
import { ListPage } from "../list_page.js";
import { ago, badge, choice, emptyState, field } from "../parts.js";
import { href } from "../router.js";

export const kMessagesPath = "/v1/messages";
const kRefreshMs = 5_000; // those that come make no event of their own

const kOutcomes = [
  ["", "Any"],
  ["refused", "Refused"],
  ["accepted", "Accepted"],
];

export class MessagesPage extends ListPage {
  title = "Messages";
  words = ["message", "messages"];

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: kMessagesPath, section: ["messages"], everyMs: kRefreshMs });
  }

  filters() {
    const { outcome = "", subscription = "" } = this.query;
    return h(
      "div",
      { class: "filters", role: "search", "aria-label": "Filter messages" },
      choice("Outcome", "outcome", outcome, kOutcomes, (value) => this.filter({ outcome: value })),
      field("Subscription", {
        name: "subscription",
        type: "search",
        value: subscription,
        onchange: (event) => this.filter({ subscription: event.target.value.trim() }),
      }),
    );
  }

  none() {
    return emptyState(
      "No messages",
      this.filtered ? "No message fits these filters." : "What the subscription delivers shows here.",
    );
  }

  columns(now) {
    return [
      { name: "Message", look: "cell-main", cell: nameCell },
      { name: "Outcome", look: "cell-status", cell: outcomeCell },
      { name: "What came of it", cell: resultCell },
      { name: "Received", cell: ({ receivedAt }) => ago(receivedAt, now) },
      { name: "Deliveries", look: "cell-number", cell: ({ deliveries }) => String(deliveries) },
    ];
  }
}

function nameCell({ id, messageId, subscription }) {
  return [
    h("a", { class: "row-link mono", href: href(["messages", id]) }, messageId),
    h("span", { class: "sub" }, subscription.split("/").at(-1)),
  ];
}

function outcomeCell({ outcome, replayedAt }) {
  return [badge(outcome), replayedAt ? h("span", { class: "sub" }, "after a replay") : null];
}

function resultCell({ runId, reason, explanation }) {
  if (runId) return h("a", { class: "mono", href: href(["runs", runId]) }, runId);
  return [reasonText(reason), h("span", { class: "sub clamp", title: explanation }, explanation)];
}

export const reasonText = (reason) => (reason ? capitalized(spaced(reason)) : "–");

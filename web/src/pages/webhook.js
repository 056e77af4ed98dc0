// One webhook: what it is told of, and its deliveries with request and answer.

import { openConfirmation } from "../dialog.js";
import { h } from "../dom.js";
import { capitalized, clockTime, duration } from "../format.js";
import { Loader } from "../loader.js";
import {
  ago,
  backLink,
  badge,
  button,
  choice,
  cursorPager,
  emptyState,
  errorBox,
  facts,
  icon,
  pageHead,
  skeleton,
} from "../parts.js";
import { href } from "../router.js";
import { showSecret, WebhookDeeds, webhookPath } from "./webhooks.js";

const kPageSize = 50;
const kRefreshMs = 3_000; // deliveries make no events
const kStatuses = ["pending", "delivered", "failed"];
const kWaits = {
  answer: "being sent",
  attempt: "tried again",
  turn: "waits for those before it",
  resume: "waits for the webhook to be resumed",
};

export class WebhookPage {
  #app;
  #id;
  #query;
  #redraw;
  #loader;
  #deliveries;
  #details = new Map(); // delivery id → Loader of what is open
  #deeds;
  #timer;

  constructor(app, { segments, query }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#query = query;
    this.#redraw = redraw;
    this.#loader = new Loader((signal) => app.api.get(webhookPath(this.#id), { signal }), redraw);
    this.#deliveries = new Loader((signal) => this.#request(signal), redraw);
    this.#deeds = new WebhookDeeds(app, () => this.#refresh(), redraw);
    this.#timer = setInterval(() => document.hidden || this.#refresh(), kRefreshMs);
    this.#refresh();
  }

  get title() {
    return this.#loader.data?.url ?? "Webhook";
  }
  onRoute({ query }) {
    this.#query = query;
    this.#deliveries.refresh();
  }
  dispose() {
    clearInterval(this.#timer);
    for (const loader of [this.#loader, this.#deliveries, ...this.#details.values()]) loader.dispose();
  }

  draw() {
    const { data: webhook, error } = this.#loader;
    const back = backLink(href(["webhooks"]), "Webhooks");
    if (!webhook) return [back, pageHead("Webhook"), errorBox(error) ?? skeleton(5)];
    const now = this.#app.api.now();
    return [
      back,
      pageHead(webhook.url, badge(webhook.status), [this.#deeds.buttons(webhook), this.#moreButtons(webhook)]),
      this.#deeds.draw(),
      errorBox(error, { title: "Cannot refresh" }),
      about(webhook, now),
      this.#deliveriesCard(now),
    ];
  }

  #refresh() {
    this.#loader.refresh();
    this.#deliveries.refresh();
    for (const loader of this.#details.values()) loader.refresh();
  }

  #request(signal) {
    const { status, cursor } = this.#query;
    return this.#app.api.get(webhookPath(this.#id, "/deliveries"), {
      query: { limit: kPageSize, status, cursor },
      signal,
    });
  }

  #moreButtons({ url }) {
    const { api, navigate, announce } = this.#app;
    const rotate = () =>
      openConfirmation({
        title: "Make a new secret?",
        verb: "New secret",
        content: () => h("p", null, "For a day messages are signed with both, the old one and the new one."),
        act: async () => {
          const { data } = await api.post(webhookPath(this.#id, "/rotate-secret"), {});
          showSecret(data, this.#app, () => this.#refresh());
        },
      });
    const remove = () =>
      openConfirmation({
        title: "Delete this webhook?",
        verb: "Delete webhook",
        look: "danger",
        content: () => h("p", null, `Nothing is sent to ${url} any more, and what was is forgotten.`),
        act: async () => {
          await api.delete(webhookPath(this.#id));
          announce("Deleted");
          navigate(["webhooks"]);
        },
      });
    return [button("New secret", rotate), button("Delete", remove, { look: "danger-outline", iconName: "trash" })];
  }

  #deliveriesCard(now) {
    const { data, error } = this.#deliveries;
    const { status = "" } = this.#query;
    const go = (change) =>
      this.#app.navigate(["webhooks", this.#id], { ...this.#query, cursor: null, ...change }, { replace: true });
    const options = [["", "Any"], ...kStatuses.map((name) => [name, capitalized(name)])];
    return h(
      "section",
      { class: "card", "aria-labelledby": "deliveries" },
      h("h2", { id: "deliveries" }, "Deliveries"),
      h(
        "div",
        { class: "filters" },
        choice("Status", "status", status, options, (value) => go({ status: value })),
      ),
      errorBox(error, { title: "Cannot load the deliveries" }),
      data ? this.#list(data, now) : error ? null : skeleton(3),
    );
  }

  #list(deliveries, now) {
    if (!deliveries.length) return emptyState("No deliveries", "What is sent shows here. A ping tries it out.");
    const go = (cursor) => this.#app.navigate(["webhooks", this.#id], { ...this.#query, cursor });
    return [
      h(
        "ol",
        { class: "deliveries" },
        deliveries.map((delivery) => this.#delivery(delivery, now)),
      ),
      cursorPager(this.#deliveries, this.#query, ["delivery", "deliveries"], go),
    ];
  }

  #delivery(delivery, now) {
    const { id, eventType, status, createdAt } = delivery;
    const opened = this.#details.get(id);
    return h(
      "li",
      { key: id, "data-delivery": id, "data-status": status },
      badge(status),
      h(
        "button",
        {
          type: "button",
          class: "step-button",
          "aria-expanded": String(Boolean(opened)),
          onclick: () => this.#toggle(id),
        },
        h("strong", null, eventType),
        h("span", { class: "sub" }, story(delivery, now)),
      ),
      h("span", { class: "delivery-time" }, ago(createdAt, now)),
      opened ? this.#detail(opened, delivery) : null,
    );
  }

  #toggle(id) {
    const loader = this.#details.get(id);
    if (loader) {
      loader.dispose();
      this.#details.delete(id);
    } else {
      const path = webhookPath(this.#id, `/deliveries/${encodeURIComponent(id)}`);
      const made = new Loader((signal) => this.#app.api.get(path, { signal }), this.#redraw);
      this.#details.set(id, made);
      made.refresh();
    }
    this.#redraw();
  }

  #detail({ data, error }, { id, status }) {
    const again = () =>
      this.#deeds.do("Sent again", () =>
        this.#app.api.post(webhookPath(this.#id, `/deliveries/${encodeURIComponent(id)}/redeliver`), {}),
      );
    return h(
      "div",
      { class: "step-details" },
      errorBox(error),
      data ? [request(data.request), data.attempts.map(attempt)] : error ? null : skeleton(3),
      status === "pending"
        ? null
        : h(
            "p",
            null,
            button("Send again", again, { look: "small-button", iconName: "again", disabled: this.#deeds.busy }),
          ),
    );
  }
}

function story({ status, attemptCount, lastStatus, lastError, waitsFor, nextAttemptAt }, now) {
  const tries = attemptCount === 1 ? "1 attempt" : `${attemptCount} attempts`;
  const answer = lastError ?? (lastStatus ? `answer ${lastStatus}` : null);
  const wait = status === "pending" && waitsFor ? kWaits[waitsFor] : null;
  const next = waitsFor === "attempt" && nextAttemptAt ? [" ", ago(nextAttemptAt, now)] : null;
  return [[tries, answer, wait].filter(Boolean).join(", "), next];
}

function about(webhook, now) {
  const { oldSecretUntil, holdUntil, statusReason } = webhook;
  return h(
    "section",
    { class: "card", "aria-label": "About" },
    statusReason ? h("p", null, icon("alert"), " ", statusReason) : null,
    facts([
      ["Description", webhook.description],
      ["Told of", h("span", { class: "mono" }, webhook.eventTypes.join(", "))],
      ["Of whose changes", webhook.scope === "all" ? "everyone's" : "its owner's"],
      ["In order", webhook.ordered ? "yes, for each resource" : "no"],
      ["Format", webhook.format === "cloudevents" ? "CloudEvents" : "Standard Webhooks"],
      ["Last delivered", ago(webhook.lastSuccessAt, now, "never")],
      ["Last failed", webhook.lastFailureAt ? ago(webhook.lastFailureAt, now) : null],
      ["Held until", holdUntil ? ago(holdUntil, now) : null],
      ["Old secret good until", oldSecretUntil ? ago(oldSecretUntil, now) : null],
      ["Id", h("code", null, webhook.id)],
    ]),
  );
}

function request({ headers, body }) {
  return h(
    "details",
    null,
    h("summary", null, "What is sent"),
    block("Headers and body", `${headerText(headers)}\n\n${body}`),
  );
}

function attempt({ number, at, durationMs, response, error }) {
  const outcome = response ? `answer ${response.status}` : `${error?.code}: ${error?.message}`;
  return h(
    "details",
    { key: number },
    h("summary", null, `Attempt ${number}, ${clockTime(at)}, ${duration(durationMs)}: ${outcome}`),
    response ? block("The answer", `${headerText(response.headers)}\n\n${response.body}`) : null,
  );
}

const headerText = (headers) =>
  Object.entries(headers ?? {})
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");

function block(label, text) {
  return h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": label }, text);
}

// Webhooks: who is told of what, and whether it arrives.

import { newIdempotencyKey } from "../api.js";
import { Deeds } from "../deeds.js";
import { openConfirmation, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { Loader } from "../loader.js";
import { ago, badge, button, command, cursorPager, emptyState, errorBox, pageHead, skeleton, table } from "../parts.js";
import { href } from "../router.js";
import { askForReason } from "./schedules.js";

const kPageSize = 50;
const kRefreshMs = 5_000; // deliveries make no events
const kPath = "/v1/webhooks";
const kUsualEvents = "run.completed, run.failed";

export const webhookPath = (id, rest = "") => `${kPath}/${encodeURIComponent(id)}${rest}`;

/** What is done with a webhook, on the list and on its own page. */
export class WebhookDeeds extends Deeds {
  #app;
  constructor(app, refresh, redraw) {
    super(app, refresh, redraw);
    this.#app = app;
  }
  buttons(webhook, look = "") {
    const { id, url, status } = webhook;
    const { api } = this.#app;
    const options = (verb, iconName = null) => ({ look, iconName, disabled: this.busy, name: `${verb} ${url}` });
    const ping = () => this.do("Ping sent", () => api.post(webhookPath(id, "/ping"), {}));
    const resume = () => this.do("Resumed", () => api.post(webhookPath(id, "/resume"), {}));
    const pause = () =>
      askForReason("Pause this webhook?", "What comes up is kept, and delivered once it is resumed.", (reason) =>
        this.do("Paused", () => api.post(webhookPath(id, "/pause"), reason ? { reason } : {})),
      );
    return [
      status === "disabled" ? null : button("Ping", ping, options("Ping")),
      status === "active"
        ? button("Pause", pause, options("Pause", "pause"))
        : button("Resume", resume, options("Resume", "play")),
    ];
  }
}

export class WebhooksPage {
  title = "Webhooks";
  #app;
  #query;
  #loader;
  #deeds;
  #timer;

  constructor(app, { query }, redraw) {
    this.#app = app;
    this.#query = query;
    const asked = () => ({ limit: kPageSize, cursor: this.#query.cursor });
    this.#loader = new Loader((signal) => app.api.get(kPath, { query: asked(), signal }), redraw);
    this.#deeds = new WebhookDeeds(app, () => this.#loader.refresh(), redraw);
    this.#timer = setInterval(() => document.hidden || this.#loader.refresh(), kRefreshMs);
    this.#loader.refresh();
  }

  dispose() {
    clearInterval(this.#timer);
    this.#loader.dispose();
  }
  onRoute({ query }) {
    this.#query = query;
    this.#loader.refresh();
  }

  draw() {
    const { data, error } = this.#loader;
    return [
      pageHead(this.title, null, this.#newButton()),
      this.#deeds.draw(),
      errorBox(error, { title: "Cannot load the webhooks" }),
      data ? this.#list(data) : error ? null : skeleton(4),
    ];
  }

  #newButton() {
    const made = (webhook) => {
      this.#loader.refresh();
      showSecret(webhook, this.#app, () => this.#app.navigate(["webhooks", webhook.id]));
    };
    return button("New webhook", () => askForWebhook(this.#app, made), { look: "primary", iconName: "plus" });
  }

  #list(webhooks) {
    if (!webhooks.length)
      return emptyState(
        "No webhooks",
        "A webhook tells another service of what happens, as it happens.",
        this.#newButton(),
      );
    const now = this.#app.api.now();
    const columns = [
      { name: "Receiver", look: "cell-main", cell: nameCell },
      { name: "Status", look: "cell-status", cell: statusCell },
      { name: "Told of", cell: ({ eventTypes }) => h("span", { class: "mono" }, eventTypes.join(", ")) },
      { name: "Last delivered", cell: ({ lastSuccessAt }) => ago(lastSuccessAt, now, "never") },
      {
        name: "Actions",
        look: "cell-actions",
        hidden: true,
        cell: (webhook) => h("div", { class: "row-actions" }, this.#deeds.buttons(webhook, "small-button")),
      },
    ];
    const go = (cursor) => this.#app.navigate(["webhooks"], { cursor });
    return [
      table("Webhooks", columns, webhooks, ({ id }) => id),
      cursorPager(this.#loader, this.#query, ["webhook", "webhooks"], go),
    ];
  }
}

function nameCell({ id, url, description }) {
  return [
    h("a", { class: "row-link", href: href(["webhooks", id]) }, url),
    description ? h("span", { class: "sub" }, description) : null,
  ];
}

function statusCell({ status, statusReason, failures }) {
  const why = statusReason || (failures ? `${failures} failures in a row` : null);
  return [badge(status), why ? h("span", { class: "sub" }, why) : null];
}

function askForWebhook({ api, me }, made) {
  const values = { url: "", events: kUsualEvents, description: "", ordered: false, all: false };
  const key = newIdempotencyKey();
  const text = (name, label, hint, props) =>
    h(
      "label",
      { class: "field" },
      h("span", { class: "field-name" }, label),
      h("input", {
        name,
        autocomplete: "off",
        spellcheck: "false",
        oninput: (event) => (values[name] = event.target.value),
        ...props,
      }),
      hint ? h("span", { class: "hint" }, hint) : null,
    );
  const check = (name, label) =>
    h(
      "label",
      { class: "check" },
      h("input", { type: "checkbox", onchange: (event) => (values[name] = event.target.checked) }),
      label,
    );
  openConfirmation({
    title: "New webhook",
    verb: "Create webhook",
    content: () => [
      text("url", "URL", "Messages are sent there by POST, signed (Standard Webhooks)", {
        type: "url",
        placeholder: "https://…",
        autofocus: true,
      }),
      text("events", "Told of", "Types or families such as run.* or workspace.*, separated by commas", {
        value: kUsualEvents,
      }),
      text("description", "Description", null, {}),
      check("ordered", "In order, for each resource"),
      me()?.role === "admin" ? check("all", "Of everyone's changes, not only mine") : null,
    ],
    act: async () => {
      const body = {
        url: values.url.trim(),
        eventTypes: values.events
          .split(",")
          .map((each) => each.trim())
          .filter(Boolean),
        ordered: values.ordered,
      };
      if (values.description.trim()) body.description = values.description.trim();
      if (values.all) body.scope = "all";
      // A corrected request is another one.
      const idempotencyKey = `${key}-${hash(JSON.stringify(body))}`;
      made((await api.post(kPath, body, { idempotencyKey })).data);
    },
  });
}

// Tells requests apart that were sent from one form; no secret.
function hash(text) {
  let value = 0;
  for (const character of text) value = (value * 31 + character.codePointAt(0)) >>> 0;
  return value.toString(16);
}

/** A secret is told once. */
export function showSecret({ secret }, { announce }, done) {
  openDialog({
    title: "The webhook's secret",
    onClose: done,
    body: (dialog) => [
      h("p", null, "The receiver needs it to check signatures. It is shown now and never again."),
      h("div", { class: "secret" }, command(secret, "Secret", announce)),
      h(
        "div",
        { class: "dialog-buttons" },
        button("I have kept it", () => dialog.close(), { look: "primary" }),
      ),
    ],
  });
}

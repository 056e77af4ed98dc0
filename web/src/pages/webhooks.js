// Webhooks: who is told of what, and whether it arrives.

import { newIdempotencyKey } from "../api.js";
import { Deeds } from "../deeds.js";
import { openConfirmation, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { ListPage } from "../list_page.js";
import { actionsColumn, ago, badge, button, command, emptyState } from "../parts.js";
import { href } from "../router.js";
import { askForReason } from "./schedules.js";

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

export class WebhooksPage extends ListPage {
  title = "Webhooks";
  trouble = "Cannot load the webhooks";
  words = ["webhook", "webhooks"];

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: kPath, section: ["webhooks"], everyMs: kRefreshMs });
    this.deeds = new WebhookDeeds(app, () => this.refresh(), redraw);
  }

  actions() {
    const made = (webhook) => {
      this.refresh();
      showSecret(webhook, this.app, () => this.app.navigate(["webhooks", webhook.id]));
    };
    return button("New webhook", () => askForWebhook(this.app, made), { look: "primary", iconName: "plus" });
  }

  none() {
    return emptyState("No webhooks", "A webhook tells another service of what happens, as it happens.", this.actions());
  }

  columns(now) {
    return [
      { name: "Receiver", look: "cell-main", cell: nameCell },
      { name: "Status", look: "cell-status", cell: statusCell },
      { name: "Told of", cell: ({ eventTypes }) => h("span", { class: "mono" }, eventTypes.join(", ")) },
      { name: "Last delivered", cell: ({ lastSuccessAt }) => ago(lastSuccessAt, now, "never") },
      actionsColumn((webhook) => this.deeds.buttons(webhook, "small-button")),
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

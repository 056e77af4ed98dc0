// One message: what it said, why it was refused, and sending it through again, corrected where it has to be.

import { ApiError } from "../api.js";
import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { fullTime } from "../format.js";
import { DialogForm } from "../form.js";
import { Loader } from "../loader.js";
import { ago, backLink, badge, button, card, errorBox, facts, json, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";
import { kMessagesPath, reasonText } from "./messages.js";

const path = (id, rest = "") => `${kMessagesPath}/${encodeURIComponent(id)}${rest}`;

export class MessagePage {
  #app;
  #id;
  #loader;

  constructor(app, { segments }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#loader = new Loader((signal) => app.api.get(path(this.#id), { signal }), redraw);
    this.#loader.refresh();
  }

  get title() {
    return this.#loader.data?.messageId ?? "Message";
  }
  dispose() {
    this.#loader.dispose();
  }

  draw() {
    const { data: message, error } = this.#loader;
    const back = backLink(href(["messages"]), "Messages");
    if (!message) return [back, pageHead("Message"), errorBox(error) ?? skeleton(5)];
    const now = this.#app.api.now();
    const { reason, explanation, outcome } = message;
    const replay = () => this.#replay(message);
    return [
      back,
      pageHead(
        message.messageId,
        badge(outcome),
        outcome === "refused" ? button("Replay", replay, { look: "primary", iconName: "again" }) : null,
      ),
      errorBox(error, { title: "Cannot refresh" }),
      outcome === "refused" ? errorBox({ code: reason, message: explanation }, { title: reasonText(reason) }) : null,
      h("div", { class: "columns" }, bodyCard(message), aboutCard(message, now)),
    ];
  }

  #replay(message) {
    const form = new ReplayForm(this.#app, message, ({ data }) => {
      this.#app.navigate(["runs", data.run.id]);
    });
    form.begin(openDialog({ title: "Replay this message", look: "create", body: () => form.draw() }));
  }
}

function bodyCard({ outcome, data, dataBase64, attributes = {} }) {
  const parsed = parse(data);
  return card(
    "What it said",
    dataBase64 ? h("p", { class: "muted small" }, "It is no text. In base64:") : null,
    outcome === "accepted" && data === undefined
      ? h("p", { class: "muted" }, "The body of an accepted message is not kept: its run has it.")
      : parsed
        ? json(parsed, "Body")
        : h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": "Body" }, data ?? dataBase64),
    Object.keys(attributes).length ? [h("h3", null, "Attributes"), json(attributes, "Attributes")] : null,
  );
}

function aboutCard(message, now) {
  const { subscription, publishedAt, receivedAt, lastReceivedAt, deliveries, runId, orderingKey } = message;
  const { deadLetterMessageId, deadLetterRunId, replayedAt, replayedBy } = message;
  const run = (id) => (id ? h("a", { class: "mono", href: href(["runs", id]) }, id) : null);
  return card(
    "About",
    facts([
      ["Run", run(runId)],
      ["Subscription", h("code", null, subscription)],
      ["Published", publishedAt ? fullTime(publishedAt) : null],
      ["Received", ago(receivedAt, now)],
      ["Deliveries", deliveries > 1 ? [`${deliveries}, last `, ago(lastReceivedAt, now)] : String(deliveries)],
      ["Ordering key", orderingKey ? h("code", null, orderingKey) : null],
      ["Dead letter", deadLetterMessageId ? h("code", null, deadLetterMessageId) : run(deadLetterRunId)],
      [
        "Replayed",
        replayedAt ? [ago(replayedAt, now), replayedBy ? [" by ", h("code", null, replayedBy)] : null] : null,
      ],
      ["Id", h("code", null, message.id)],
    ]),
  );
}

class ReplayForm extends DialogForm {
  verb = "Replay";
  #app;
  #message;
  #done;
  #original;

  constructor(app, message, done) {
    super();
    this.#app = app;
    this.#message = message;
    this.#done = done;
    this.#original = shown(message.data);
    this.values.data = this.#original;
  }

  fieldNames() {
    return ["data"];
  }
  fields() {
    const problem = this.problemAt("data");
    return [
      h("p", null, "It keeps its identity: whatever is replayed, and however often, there is one run."),
      h(
        "div",
        { class: "field" },
        h("label", { class: "field-name", for: "field-data" }, "Body"),
        h("textarea", {
          id: "field-data",
          name: "data",
          class: "mono",
          rows: "9",
          spellcheck: "false",
          autofocus: true,
          value: this.values.data,
          "aria-invalid": problem ? "true" : null,
          "aria-describedby": problem ? "field-data-error" : null,
          oninput: (event) => (this.values.data = event.target.value),
        }),
        problem ?? h("p", { class: "hint" }, "user_id, org_id, tier, user_email"),
      ),
    ];
  }

  body() {
    return { text: this.values.data };
  }
  // As it came when nothing was changed: what was wrong with it may be mended here, such as a tier that did not exist.
  send({ text }, options) {
    const body = text === this.#original ? {} : { data: this.#parsed(text) };
    return this.#app.api.post(path(this.#message.id, "/replay"), body, options);
  }
  #parsed(text) {
    const data = parse(text);
    if (data) return data;
    const message = "The body is no JSON object.";
    throw new ApiError({ code: "VALIDATION_ERROR", message, status: 400, details: { field: "data" } });
  }
  done(answer) {
    this.#app.announce("Replayed");
    this.#done(answer);
  }
}

// The object that a text says, or null.
function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function shown(text = "") {
  const data = parse(text);
  return data ? JSON.stringify(data, null, 2) : text;
}

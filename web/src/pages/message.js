// One message: what it said, why it was refused, and sending it through again, corrected where it has to be.

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
    const { refusal, outcome } = message;
    const replay = () => this.#replay(message);
    return [
      back,
      pageHead(
        message.messageId,
        badge(outcome),
        outcome === "refused" ? button("Replay", replay, { look: "primary", iconName: "again" }) : null,
      ),
      errorBox(error, { title: "Cannot refresh" }),
      outcome === "refused" && refusal
        ? errorBox({ code: refusal.reason, message: refusal.explanation }, { title: reasonText(refusal) })
        : null,
      h("div", { class: "columns" }, bodyCard(message), aboutCard(message, now)),
    ];
  }

  #replay(message) {
    const form = new ReplayForm(this.#app, message, ({ data }) => {
      const run = data?.run?.id ?? data?.runId;
      if (run) this.#app.navigate(["runs", run]);
      else this.#loader.refresh();
    });
    form.begin(openDialog({ title: "Replay this message", look: "create", body: () => form.draw() }));
  }
}

function bodyCard({ data, attributes = {} }) {
  const parsed = parse(data);
  return card(
    "What it said",
    data === null || data === undefined
      ? h("p", { class: "muted" }, "The body of an accepted message is not kept: it is in its run.")
      : parsed
        ? json(parsed, "Body")
        : h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": "Body" }, data),
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

  constructor(app, message, done) {
    super();
    this.#app = app;
    this.#message = message;
    this.#done = done;
    const parsed = parse(message.data);
    this.values.data = parsed ? JSON.stringify(parsed, null, 2) : (message.data ?? "");
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
    return { data: this.values.data };
  }
  send(body, options) {
    return this.#app.api.post(path(this.#message.id, "/replay"), body, options);
  }
  done(answer) {
    this.#app.announce("Replayed");
    this.#done(answer);
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// Provisioner daemons: who they are, what each can take, and the keys that they show. For admins.

import { openConfirmation, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { DialogForm } from "../form.js";
import { tagList } from "../jobs/job_parts.js";
import { AnswerPage } from "../list_page.js";
import { Loader } from "../loader.js";
import { actionsColumn, ago, badge, button, card, command, emptyState, errorBox, table } from "../parts.js";

const kRefreshMs = 3_000; // they come and go without events
const kKeys = "/v1/daemon-keys";

export class DaemonsPage extends AnswerPage {
  title = "Daemons";
  trouble = "Cannot load the daemons";
  #keys;

  constructor(app, route, redraw) {
    super(app, route, redraw, { path: "/v1/daemons", section: ["daemons"], everyMs: kRefreshMs });
    this.#keys = new Loader((signal) => app.api.get(kKeys, { signal }), redraw);
    this.#keys.refresh();
  }
  dispose() {
    super.dispose();
    this.#keys.dispose();
  }

  actions() {
    return button("New key", () => this.#makeKey(), { look: "primary", iconName: "plus" });
  }

  intro() {
    return h(
      "p",
      { class: "muted" },
      "Daemons take the jobs of templates: imports and builds. One may be anywhere that reaches the hub.",
    );
  }

  content({ daemons }, now) {
    return [
      daemons.length
        ? table("Daemons", daemonColumns(now), daemons, ({ id }) => id)
        : emptyState(
            "No daemons",
            "Templates are imported and built once one is there.",
            command(
              `slipway provisionerd --hub ${location.origin} --key-file FILE`,
              "Start a daemon",
              this.app.announce,
            ),
          ),
      this.#keysCard(now),
    ];
  }

  #keysCard(now) {
    const { data, error } = this.#keys;
    const columns = [
      {
        name: "Key",
        look: "cell-main",
        cell: ({ name, id }) => [h("strong", null, name), h("span", { class: "sub mono" }, id)],
      },
      { name: "Its daemons may have the tags", cell: ({ tags }) => (tags ? tagList(tags) : "any") },
      { name: "Made", cell: ({ createdAt }) => ago(createdAt, now) },
      { name: "Used", cell: ({ usedAt }) => ago(usedAt, now, "never") },
      actionsColumn((key) =>
        button("Delete", () => this.#askToDelete(key), { look: "small-button", name: `Delete ${key.name}` }),
      ),
    ];
    const none = h("p", { class: "muted" }, "No keys. The daemon inside the hub needs none.");
    return card("Keys", errorBox(error), data?.keys.length ? table("Keys", columns, data.keys, ({ id }) => id) : none);
  }

  #makeKey() {
    const made = (key) => {
      this.#keys.refresh();
      showKey(key, this.app);
    };
    const form = new KeyForm(this.app, made);
    form.begin(openDialog({ title: "New key for daemons", look: "create", body: () => form.draw() }));
  }

  #askToDelete({ id, name }) {
    openConfirmation({
      title: `Delete the key ${name}?`,
      verb: "Delete key",
      look: "danger",
      content: () => h("p", null, "Daemons that show it are refused from now on. What they have is given to others."),
      act: async () => {
        await this.app.api.delete(`${kKeys}/${encodeURIComponent(id)}`);
        this.app.announce(`${name} is deleted`);
        this.#keys.refresh();
        this.refresh();
      },
    });
  }
}

function daemonColumns(now) {
  return [
    {
      name: "Daemon",
      look: "cell-main",
      cell: ({ name, version }) => [h("strong", null, name), h("span", { class: "sub" }, version)],
    },
    { name: "Status", look: "cell-status", cell: ({ status }) => badge(status) },
    { name: "At work", cell: ({ busy, runners }) => `${busy} of ${runners}` },
    { name: "Provisioners", cell: ({ provisioners }) => provisioners.join(", ") || "none" },
    { name: "Tags", cell: ({ tags }) => tagList(tags) },
    { name: "Seen", cell: ({ seenAt }) => ago(seenAt, now) },
  ];
}

class KeyForm extends DialogForm {
  verb = "Make key";
  #app;
  #made;

  constructor(app, made) {
    super();
    this.#app = app;
    this.#made = made;
    this.values = { name: "", tags: "" };
  }

  fieldNames() {
    return ["name", "tags"];
  }
  fields() {
    return [
      this.text("name", "Name", { autofocus: true, hint: "Where it is used, say" }),
      this.text("tags", "Tags", { placeholder: "zone=eu, gpu=yes", hint: "All that its daemons may have; empty: any" }),
    ];
  }
  body() {
    const pairs = this.values.tags.split(/[\s,]+/).filter(Boolean);
    const tags = Object.fromEntries(pairs.map((pair) => [pair.split("=", 1)[0], pair.split("=").slice(1).join("=")]));
    return { name: this.values.name.trim(), ...(pairs.length ? { tags } : {}) };
  }
  send(body, options) {
    return this.#app.api.post(kKeys, body, options);
  }
  done({ data }) {
    this.#made(data);
  }
}

// A key is told once.
function showKey({ key }, { announce }) {
  openDialog({
    title: "The daemon's key",
    body: (dialog) => [
      h("p", null, "It is shown now and never again."),
      h("div", { class: "secret" }, command(key, "Key", announce)),
      h(
        "div",
        { class: "dialog-buttons" },
        button("I have kept it", () => dialog.close(), { look: "primary" }),
      ),
    ],
  });
}

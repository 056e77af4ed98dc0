// One template: its README, what its users are asked, its versions, and what each makes and costs.

import { Deeds } from "../deeds.js";
import { openConfirmation, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { isAbout } from "../live.js";
import { Loader } from "../loader.js";
import { backLink, badge, button, errorBox, icon, pageHead, plainBadge, skeleton } from "../parts.js";
import { href } from "../router.js";
import { templatePath, versionPath } from "./build_form.js";
import {
  aboutCard,
  parametersCard,
  readmeCard,
  resourcesCards,
  variablesCard,
  versionsCard,
} from "./template_cards.js";
import { askToDeprecate, TemplateForm } from "./template_actions.js";
import { newButton } from "./templates.js";

const kVersionsShown = 20;
const kPollMs = 2_000; // while a version is imported

export class TemplatePage {
  #app;
  #name;
  #query;
  #redraw;
  #deeds;
  #template;
  #versions;
  #version = null; // the Loader of the one that is looked at
  #versionName = null;
  #unsubscribe;
  #timer;

  constructor(app, { segments, query }, redraw) {
    this.#app = app;
    this.#name = segments[1];
    this.#query = query;
    this.#redraw = redraw;
    this.#deeds = new Deeds(app, () => this.#refresh(), redraw);
    this.#template = this.#load(templatePath(this.#name), {}, () => this.#loaded());
    this.#versions = this.#load(templatePath(this.#name, "/versions"), { limit: kVersionsShown }, () => this.#loaded());
    this.#unsubscribe = app.live.subscribe((event) => isAbout(event, "template", "run") && this.#refresh());
    this.#timer = setInterval(() => !document.hidden && this.#isImporting() && this.#refresh(), kPollMs);
    this.#refresh();
  }

  get title() {
    return this.#template.data?.displayName || this.#name;
  }

  onRoute({ query }) {
    this.#query = query;
    this.#loaded();
  }

  dispose() {
    this.#unsubscribe();
    clearInterval(this.#timer);
    for (const loader of this.#loaders()) loader.dispose();
  }

  draw() {
    const { data: template, error } = this.#template;
    const back = backLink(href(["templates"]), "Templates");
    if (!template) return [back, pageHead(this.title), errorBox(error) ?? skeleton(6)];
    const now = this.#app.api.now();
    return [
      back,
      pageHead(this.title, template.deprecated ? plainBadge("deprecated", "wait") : null, this.#actions(template)),
      this.#deeds.draw(),
      errorBox(error, { title: "Cannot refresh" }),
      template.deprecated ? note(`No new workspaces: ${template.deprecated}`) : null,
      template.description ? h("p", { class: "muted" }, template.description) : null,
      this.#content(template, now),
    ];
  }

  #content(template, now) {
    const version = this.#version?.data;
    const versions = versionsCard(
      this.#versions,
      this.#versionActions(template),
      { shown: version?.name, template },
      now,
    );
    if (!version) return [errorBox(this.#version?.error), versions];
    return [
      versionNote(version),
      h(
        "div",
        { class: "columns" },
        h("div", { class: "column" }, readmeCard(version), versions),
        h(
          "div",
          { class: "column" },
          aboutCard(template, version, now),
          parametersCard(version),
          variablesCard(version),
        ),
      ),
      resourcesCards(version),
    ];
  }

  #load(path, query, onChange) {
    return new Loader((signal) => this.#app.api.get(path, { query, signal }), onChange);
  }
  #loaders() {
    return [this.#template, this.#versions, this.#version].filter(Boolean);
  }
  #refresh() {
    for (const loader of this.#loaders()) loader.refresh();
  }
  #isImporting() {
    return this.#versions.data?.some(({ status }) => status === "importing");
  }

  // The version looked at: the one in the address, else the active one, else the newest.
  #loaded() {
    const { data: template } = this.#template;
    const wanted = this.#query.version ?? template?.activeVersion ?? (template && this.#versions.data?.[0]?.name);
    if (wanted && wanted !== this.#versionName) {
      this.#version?.dispose();
      this.#versionName = wanted;
      this.#version = this.#load(versionPath(this.#name, wanted), {}, this.#redraw);
      this.#version.refresh();
    }
    this.#redraw();
  }

  get #isAdmin() {
    return this.#app.me()?.role === "admin";
  }

  #patch(words, change) {
    return this.#deeds.do(words, () => this.#app.api.patch(templatePath(this.#name), change));
  }

  #actions(template) {
    const edit = () => {
      const form = new TemplateForm(this.#app, template, () => this.#refresh());
      form.begin(openDialog({ title: `Edit ${template.name}`, look: "create", body: () => form.draw() }));
    };
    const deprecate = () => askToDeprecate(template, (reason) => this.#patch("Deprecated", { deprecated: reason }));
    const restore = () => this.#patch("In use again", { deprecated: null });
    return [
      newButton(template, "primary"),
      this.#isAdmin ? button("Edit", edit, { iconName: "pencil" }) : null,
      this.#isAdmin
        ? button(template.deprecated ? "Use again" : "Deprecate", template.deprecated ? restore : deprecate)
        : null,
      this.#isAdmin ? button("Delete", () => this.#askToDelete(template), { look: "danger-outline" }) : null,
    ];
  }

  #askToDelete({ name }) {
    openConfirmation({
      title: `Delete ${name}?`,
      verb: "Delete template",
      look: "danger",
      content: () => h("p", null, "With all its versions. A template that has workspaces cannot be deleted."),
      act: async () => {
        await this.#app.api.delete(templatePath(name));
        this.#app.announce(`${name} is deleted`);
        this.#app.navigate(["templates"]);
      },
    });
  }

  // What an admin can do with a version: make it the active one, be it newer or older.
  #versionActions(template) {
    const versions = this.#versions.data ?? [];
    const activeAt = versions.findIndex(({ name }) => name === template.activeVersion);
    return (version) => {
      if (!this.#isAdmin || version.status !== "ready" || version.name === template.activeVersion) return null;
      const isOlder = activeAt >= 0 && versions.indexOf(version) > activeAt;
      const verb = isOlder ? "Roll back" : "Promote";
      return button(verb, () => this.#patch(`${version.name} is active`, { activeVersion: version.name }), {
        look: "small-button",
        disabled: this.#deeds.busy,
        name: isOlder ? `Roll back to ${version.name}` : `Promote ${version.name}`,
      });
    };
  }
}

const note = (text) => h("p", { class: "note" }, icon("alert"), h("span", { class: "note-text" }, text));

function versionNote(version) {
  const { status, name, jobId, error } = version;
  if (status === "ready") return null;
  const log = jobId ? h("a", { href: href(["jobs", jobId]) }, "Log of the import") : null;
  if (error)
    return h("div", { class: "version-error" }, errorBox(error, { title: `Version ${name} is ${status}` }), log);
  return h(
    "p",
    { class: "note" },
    badge(status),
    h("span", { class: "note-text" }, `Version ${name} is being imported.`),
    log,
  );
}

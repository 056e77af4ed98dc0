// The form that a template's parameters make: for a new workspace, and for changing one.

import { h } from "../dom.js";
import { Form } from "../form.js";
import { beginValue, givenParameters, parameterField, pathOf } from "../jobs/parameter_fields.js";
import { QuotaNote } from "../jobs/quota_note.js";
import { Loader } from "../loader.js";
import { backLink, choice, emptyState, errorBox, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";

const kVersionsMost = 50; // that may be chosen
export const templatePath = (name, rest = "") => `/v1/templates/${encodeURIComponent(name)}${rest}`;
export const versionPath = (name, version) => templatePath(name, `/versions/${encodeURIComponent(version)}`);

/** What both forms have: fields of parameters, the cost above the buttons, an error at its field. */
class BuildForm extends Form {
  look = "page-form card";
  app;
  parameters;
  #page;

  constructor(app, page, parameters) {
    super();
    this.app = app;
    this.#page = page;
    this.parameters = parameters;
  }

  begin(previous) {
    for (const parameter of this.parameters)
      this.values[pathOf(parameter)] = beginValue(parameter, previous[parameter.name]);
  }

  redraw() {
    this.#page.redraw();
  }
  element() {
    return document.querySelector("form.page-form");
  }
  close() {
    history.back();
  }
  fieldNames() {
    return this.parameters.map(pathOf);
  }

  /** The fields of the parameters, and what the build would cost. */
  parameterFields(previous, locks) {
    const fields = this.parameters.map((parameter) =>
      parameterField(this, parameter, {
        isLocked: locks && !parameter.isMutable && parameter.name in previous,
        hasPrevious: parameter.name in previous,
      }),
    );
    return [fields, this.#page.drawQuota()];
  }

  // The hub names those that are missing together: the first is shown at its field.
  async post(path, body, options) {
    try {
      return await this.app.api.post(path, body, options);
    } catch (error) {
      const [name] = error.code === "MISSING_TEMPLATE_PARAMETER" ? (error.details?.names ?? []) : [];
      if (name) error.details.field = `parameters/${name}`;
      throw error;
    }
  }

  /** The page of the build that was begun, with its log. */
  async done({ data: { workspace } }) {
    const builds = `/v1/workspaces/${encodeURIComponent(workspace.id)}/builds`;
    const { data } = await this.app.api.get(builds, { query: { limit: 1 } }).catch(() => ({ data: [] }));
    this.app.navigate(data.length ? ["builds", data[0].id] : ["workspaces", workspace.id]);
  }
}

class NewWorkspaceForm extends BuildForm {
  verb = "Create workspace";
  #template;
  #version;

  constructor(app, page, template, version) {
    super(app, page, version.parameters ?? []);
    this.values.name = "";
    this.#template = template;
    this.#version = version;
    this.begin({});
  }

  fieldNames() {
    return ["name", ...super.fieldNames()];
  }
  fields() {
    const hint = "Lower-case letters, digits and -, at most 40";
    return [
      this.text("name", "Name", { autofocus: true, hint, placeholder: "hello" }),
      this.parameterFields({}, false),
    ];
  }
  body() {
    const parameters = givenParameters(this.parameters, this.values);
    const wish = { from_template: this.#template.name, template_version: this.#version.name };
    return { name: this.values.name.trim(), ...wish, parameters };
  }
  send(body, options) {
    return this.post("/v1/workspaces", body, options);
  }
  done(answer) {
    this.app.announce(`Creating ${answer.data.workspace.name}`);
    return super.done(answer);
  }
}

class ChangeForm extends BuildForm {
  verb = "Build with these";
  #workspace;
  #version;
  #previous;

  constructor(app, page, { workspace, build, version }) {
    super(app, page, version.parameters ?? []);
    this.#workspace = workspace;
    this.#version = version;
    this.#previous = Object.fromEntries(build.parameters.map(({ name, value }) => [name, value]));
    this.begin(this.#previous);
  }

  fields() {
    const none = h("p", { class: "muted" }, "This version has no parameters.");
    return [this.parameters.length ? null : none, this.parameterFields(this.#previous, true)];
  }
  body() {
    const parameters = givenParameters(this.parameters, this.values, this.#previous);
    return { template_version: this.#version.name, parameters };
  }
  send(body, options) {
    return this.post(`/v1/workspaces/${encodeURIComponent(this.#workspace.id)}/start`, body, options);
  }
  done(answer) {
    this.app.announce(`Building ${this.#workspace.name}`);
    return super.done(answer);
  }
}

/** Loads what its form needs, one answer after another, and draws it. Its class says `load(signal)`, `makeForm(known)`,
 * `question(known)` for the quota, `title` and `back()`. */
class BuildFormPage {
  app;
  route;
  #redraw;
  #loader;
  #quota;
  #form = null;
  #shown = null; // for which version the form is

  constructor(app, route, redraw) {
    this.app = app;
    this.route = route;
    this.#redraw = redraw;
    this.#quota = new QuotaNote(app, redraw);
    this.#loader = new Loader(
      (signal) => this.#load(signal),
      () => this.#loaded(),
    );
    queueMicrotask(() => this.#loader.refresh());
  }

  get known() {
    return this.#loader.data;
  }
  redraw() {
    this.#redraw();
  }
  drawQuota() {
    return this.#quota.draw();
  }
  onRoute(route) {
    this.route = route;
    this.#loader.refresh();
  }
  dispose() {
    this.#loader.dispose();
    this.#quota.dispose();
  }

  get(path, signal, query = {}) {
    return this.app.api.get(path, { query, signal }).then(({ data }) => data);
  }
  async #load(signal) {
    return { data: await this.load(signal), meta: null };
  }

  #loaded() {
    const { known } = this;
    if (known?.version && known.version.id !== this.#shown) {
      this.#shown = known.version.id;
      this.#form = this.makeForm(known);
    }
    if (known?.version) this.#quota.ask(this.question(known));
    this.#redraw();
  }

  draw() {
    const { known } = this;
    const error = errorBox(this.#loader.error, { title: "Cannot show the form" });
    return [
      this.back(),
      pageHead(this.title),
      error,
      known ? this.intro(known) : error ? null : skeleton(6),
      known ? this.#form?.draw() : null,
    ];
  }
}

export class NewBuildPage extends BuildFormPage {
  get #name() {
    return this.route.segments[1];
  }
  get title() {
    const { template } = this.known ?? {};
    return `New workspace: ${template?.displayName || this.#name}`;
  }
  back() {
    return backLink(href(["templates", this.#name]), this.#name);
  }

  async load(signal) {
    const template = await this.get(templatePath(this.#name), signal);
    const wanted = this.route.query.version ?? template.activeVersion;
    const version = wanted ? await this.get(versionPath(this.#name, wanted), signal) : null;
    return { template, version };
  }
  makeForm({ template, version }) {
    return new NewWorkspaceForm(this.app, this, template, version);
  }
  question({ template, version }) {
    return { fromTemplate: template.name, version: version.name };
  }

  intro({ template, version }) {
    if (!version) return emptyState("No version is ready", "Once one was imported, workspaces can be made from it.");
    return [
      template.deprecated ? h("p", { class: "note" }, `This template is deprecated: ${template.deprecated}`) : null,
      template.description ? h("p", { class: "muted" }, template.description) : null,
    ];
  }
}

export class ChangeBuildPage extends BuildFormPage {
  get #id() {
    return this.route.segments[1];
  }
  get title() {
    return `Change ${this.known?.workspace.name ?? "workspace"}`;
  }
  back() {
    return backLink(href(["workspaces", this.#id]), this.known?.workspace.name ?? "Workspace");
  }

  async load(signal) {
    const path = `/v1/workspaces/${encodeURIComponent(this.#id)}`;
    const [workspace, [build]] = await Promise.all([
      this.get(path, signal),
      this.get(`${path}/builds`, signal, { limit: 1 }),
    ]);
    if (!build) return { workspace };
    const versions = await this.get(templatePath(build.templateName, "/versions"), signal, { limit: kVersionsMost });
    const wanted = this.route.query.version ?? build.templateVersion;
    return { workspace, build, versions, version: await this.get(versionPath(build.templateName, wanted), signal) };
  }
  makeForm(known) {
    return new ChangeForm(this.app, this, known);
  }
  question({ workspace, build, version }) {
    return { fromTemplate: build.templateName, version: version.name, workspaceId: workspace.id };
  }

  intro({ build, versions, version }) {
    if (!version) return emptyState("Not built from a template", "There is nothing to choose for it.");
    const text = ({ name }) => (name === build.templateVersion ? `${name} (as it is)` : name);
    const ready = versions.filter(({ status, name }) => status === "ready" || name === version.name);
    const go = (name) => this.app.navigate(["workspaces", this.#id, "change"], { version: name }, { replace: true });
    return h(
      "div",
      { class: "filters" },
      choice(
        `Version of ${build.templateName}`,
        "version",
        version.name,
        ready.map((each) => [each.name, text(each)]),
        go,
      ),
    );
  }
}

// Templates: what workspaces are built from.

import { h } from "../dom.js";
import { ListPage } from "../list_page.js";
import { isAbout } from "../live.js";
import { actionsColumn, ago, command, emptyState, icon, plainBadge } from "../parts.js";
import { href } from "../router.js";

export class TemplatesPage extends ListPage {
  title = "Templates";
  trouble = "Cannot load the templates";
  words = ["template", "templates"];

  constructor(app, route, redraw) {
    const wants = (event) => isAbout(event, "template", "workspace");
    super(app, route, redraw, { path: "/v1/templates", section: ["templates"], wants });
  }

  keyOf({ name }) {
    return name;
  }

  none() {
    return emptyState(
      "No templates",
      "A template says what a workspace is made of. An admin pushes one from a terminal:",
      command("slipway template init demo --example scripted", "Begin a template", this.app.announce),
      command("slipway template push demo", "Push it", this.app.announce),
    );
  }

  columns(now) {
    return [
      { name: "Template", look: "cell-main", cell: nameCell },
      { name: "Active version", cell: versionCell },
      {
        name: "Workspaces",
        look: "cell-number",
        cell: ({ workspaces }) => workspaces.toLocaleString(),
      },
      { name: "Changed", cell: ({ updatedAt }) => ago(updatedAt, now) },
      actionsColumn(newButton),
    ];
  }
}

function nameCell({ name, displayName, description, deprecated }) {
  return [
    h("a", { class: "row-link", href: href(["templates", name]) }, displayName || name),
    h("span", { class: "sub clamp" }, description || name),
    deprecated ? plainBadge("deprecated", "wait") : null,
  ];
}

function versionCell({ activeVersion }) {
  return activeVersion ? h("code", null, activeVersion) : h("span", { class: "muted" }, "none yet");
}

/** The way to a new workspace; nothing where none can be made. */
export function newButton({ name, activeVersion, deprecated }, look = "small-button") {
  if (!activeVersion || deprecated) return null;
  return h(
    "a",
    { class: `button ${look}`, href: href(["templates", name, "new"]), "aria-label": `New workspace from ${name}` },
    icon("plus"),
    "New workspace",
  );
}

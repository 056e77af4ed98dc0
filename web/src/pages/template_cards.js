// The cards of a template's page. Each shows what it is given and keeps nothing.

import { h } from "../dom.js";
import { aDay, resourcesTable, tagList } from "../jobs/job_parts.js";
import { markdown } from "../jobs/markdown.js";
import { ago, badge, card, errorBox, facts, plainBadge, skeleton } from "../parts.js";
import { href } from "../router.js";

export function aboutCard(template, version, now) {
  return card(
    "About",
    facts([
      ["Name", h("code", null, template.name)],
      ["Version shown", h("code", null, version.name)],
      ["Provisioner", version.provisioner],
      ["Wants of a daemon", Object.keys(version.tags ?? {}).length ? tagList(version.tags) : null],
      ["Costs", version.status === "ready" ? costText(version) : null],
      ["Workspaces", template.workspaces.toLocaleString()],
      ["Jobs at once", template.jobsMax ? `at most ${template.jobsMax}` : null],
      ["Changed", ago(template.updatedAt, now)],
    ]),
  );
}

function costText({ startDailyCost = 0, stopDailyCost = 0 }) {
  return `${aDay(startDailyCost)} while it runs, ${aDay(stopDailyCost)} while it is stopped`;
}

export function readmeCard({ readme }) {
  if (!readme?.trim()) return null;
  return card("Read me", markdown(readme));
}

/** `loader` holds the versions, `actions(version)` is what can be done with one. */
export function versionsCard({ data, error, meta }, actions, { shown, template }, now) {
  const row = (version) =>
    h(
      "li",
      { key: version.id, "data-row": version.name },
      h(
        "div",
        { class: "version-head" },
        h(
          "a",
          {
            class: "row-link",
            href: href(["templates", template.name], { version: version.name }),
            "aria-current": version.name === shown ? "true" : null,
          },
          version.name,
        ),
        badge(version.status),
        version.name === template.activeVersion ? plainBadge("active", "good") : null,
        h("span", { class: "muted small" }, ago(version.createdAt, now)),
        h("span", { class: "version-actions" }, actions(version)),
      ),
      version.message ? h("p", { class: "small" }, version.message) : null,
      version.error
        ? h("p", { class: "small bad-text" }, version.error.message, " ", h("code", null, version.error.code))
        : null,
      version.jobId ? h("a", { class: "small", href: href(["jobs", version.jobId]) }, "Log of its import") : null,
    );
  const total = meta?.pagination?.total ?? data?.length;
  return card(
    ["Versions", data ? h("span", { class: "muted small" }, String(total)) : null],
    errorBox(error),
    data ? h("ul", { class: "versions" }, data.map(row)) : skeleton(2),
  );
}

export function parametersCard({ parameters }) {
  if (!parameters?.length) return null;
  const row = (parameter) =>
    h(
      "li",
      { key: parameter.name },
      h(
        "p",
        null,
        h("strong", null, parameter.displayName || parameter.name),
        " ",
        h("span", { class: "muted small" }, kindOf(parameter)),
      ),
      parameter.description ? h("p", { class: "small muted" }, parameter.description) : null,
    );
  return card("What its users choose", h("ul", { class: "rows" }, parameters.map(row)));
}

function kindOf({ type, required, isMutable, ephemeral, sensitive, options, defaultValue }) {
  return [
    options?.length ? `one of ${options.length}` : type,
    required ? "required" : !sensitive && defaultValue ? `usually ${defaultValue}` : null,
    isMutable ? null : "chosen once",
    ephemeral ? "for one build" : null,
    sensitive ? "sensitive" : null,
  ]
    .filter(Boolean)
    .join(", ");
}

export function variablesCard({ variables }) {
  if (!variables?.length) return null;
  const row = ({ name, type, description, required, sensitive, value }) =>
    h(
      "li",
      { key: name },
      h(
        "p",
        null,
        h("code", null, name),
        " ",
        h(
          "span",
          { class: "muted small" },
          [type, required ? "required" : null, sensitive ? "sensitive" : null].filter(Boolean).join(", "),
        ),
      ),
      description ? h("p", { class: "small muted" }, description) : null,
      !sensitive && value ? h("p", { class: "small muted" }, "Set to ", h("code", null, value)) : null,
    );
  return card("Set with each version", h("ul", { class: "rows" }, variables.map(row)));
}

export function resourcesCards({ startResources, stopResources }) {
  return [
    startResources?.length ? card("What it makes", resourcesTable(startResources)) : null,
    stopResources?.length ? card("What stays when it is stopped", resourcesTable(stopResources)) : null,
  ];
}

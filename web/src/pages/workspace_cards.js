// The cards of a workspace's page. Each shows what it is given and keeps nothing.

import { isBuilt } from "../actions.js";
import { h } from "../dom.js";
import { capitalized } from "../format.js";
import { ago, badge, card, command, errorBox, facts, icon, plainBadge, skeleton, table } from "../parts.js";
import { href } from "../router.js";
import { runsTable } from "./runs.js";

export function connectCard({ name }, announce) {
  return card(
    "Get in",
    h("p", { class: "command-name" }, "A shell"),
    command(`slipway ssh ${name}`, "A shell", announce),
    h("p", { class: "command-name" }, "One command"),
    command(`slipway exec ${name} -- make`, "One command", announce),
    h(
      "p",
      { class: "command-name" },
      "Plain ssh, scp and VS Code Remote, once set up by ",
      h("code", null, "slipway ssh-config --install"),
    ),
    command(`ssh slipway.${name}`, "Plain ssh", announce),
  );
}

/** What was built for it, the newest first. `loader` holds the answer of /builds; null before it is asked for. */
export function buildsCard(loader, now) {
  const { data, error } = loader ?? {};
  const columns = [
    { name: "Build", look: "cell-main", cell: buildCell },
    { name: "Status", look: "cell-status", cell: ({ status }) => badge(status) },
    { name: "Version", cell: ({ templateVersion }) => templateVersion },
    { name: "Asked for", cell: ({ createdAt }) => ago(createdAt, now) },
  ];
  return card("Builds", errorBox(error), data ? table("Builds", columns, data, ({ id }) => id) : skeleton(3));
}

function buildCell({ id, number, transition, error }) {
  return [
    h("a", { class: "row-link", href: href(["builds", id]) }, `${capitalized(transition)} (${number})`),
    error ? h("span", { class: "sub" }, error.code) : null,
  ];
}

/** `template` is that of one that is built from it, once known. */
export function fieldsCard(workspace, now, template) {
  const { metadata } = workspace;
  const branch = metadata?.branch ? ` @ ${metadata.branch}` : "";
  if (isBuilt(workspace)) return builtFields(workspace, now, template);
  const zone = workspace.zone ? ` · ${workspace.zone}` : "";
  return card(
    "About",
    facts([
      ["Machine", workspace.machine_type],
      ["Provider", [workspace.provider, zone]],
      ["Image", workspace.image_tag],
      ["Instance", h("code", null, workspace.instance_name)],
      ["Repository", metadata?.repo ? metadata.repo + branch : null],
      ["Device", metadata?.device_id],
      ["Last connected", ago(workspace.last_connected_at, now, "never")],
      ["Created", ago(workspace.created_at, now)],
      ["Changed", ago(workspace.updated_at, now)],
      ["Owner", h("code", null, workspace.owner_id)],
      ["Id", h("code", null, workspace.id)],
    ]),
  );
}

/** What a built one was built from: `{name, version}`. */
export function templateOf({ image_tag: image }) {
  const [name, version] = image.split(":");
  return { name, version };
}

function builtFields(workspace, now, template) {
  const { name, version } = templateOf(workspace);
  const active = template?.activeVersion;
  const target = href(["workspaces", workspace.id, "change"], { version: active });
  const update = active && active !== version ? [" ", h("a", { href: target }, `Update to ${active}`)] : null;
  return card(
    "About",
    facts([
      ["Template", h("a", { href: href(["templates", name]) }, name)],
      ["Version", [version, update]],
      ["Provisioner", workspace.machine_type],
      ["Created", ago(workspace.created_at, now)],
      ["Changed", ago(workspace.updated_at, now)],
      ["Owner", h("code", null, workspace.owner_id)],
      ["Id", h("code", null, workspace.id)],
    ]),
  );
}

/** `loader` holds the answer of /status. */
export function statusCard({ data: seen, error }, now) {
  const verdict = seen ? plainBadge(seen.agrees ? "agrees" : "differs", seen.agrees ? "good" : "wait") : null;
  return card(
    ["Status", verdict],
    seen?.explanation ? h("p", null, sentence(seen.explanation)) : null,
    errorBox(error, { title: "Cannot ask the machine" }),
    !seen && !error ? skeleton(3) : null,
    seen
      ? h(
          "div",
          { class: "sides" },
          storeSide(seen, now),
          backendSide(seen.backend ?? {}, now),
          agentSide(seen.agent ?? {}, now),
        )
      : null,
  );
}

function storeSide(seen, now) {
  return side("The store says", badge(seen.status), facts([["Since", ago(seen.updated_at, now)]]));
}

function backendSide({ state = "unknown", detail, since, limits = {} }, now) {
  const held = Object.entries(limits).map(([name, value]) => [
    name === "cpu" ? "CPU" : capitalized(name),
    String(value),
  ]);
  return side(
    "The machine says",
    plainBadge(state, state === "running" ? "good" : "idle"),
    detail ? h("p", { class: "small" }, detail) : null,
    facts([["Since", since ? ago(since, now) : null], ...held]),
  );
}

function agentSide({ connected, version, last_activity: activity }, now) {
  return side(
    "Its agent says",
    plainBadge(connected ? "connected" : "not connected", connected ? "good" : "idle"),
    facts([
      ["Version", version],
      ["Last activity", activity ? [activity.kind, ", ", ago(activity.at, now)] : null],
    ]),
  );
}

/** `loader` holds the answer of /v1/why; the card shows only where there is something to tell. */
export function whyCard({ data }, now) {
  const because = data?.because ?? [];
  const next = data?.next ?? [];
  if (!because.length && !next.length) return null;
  return card(
    "Why, and what next",
    h(
      "ul",
      { class: "plain-list" },
      because.map((text, index) => h("li", { key: index }, sentence(text))),
    ),
    next.length
      ? h(
          "ul",
          { class: "plain-list next" },
          next.map((step, index) => nextStep(step, index, now)),
        )
      : null,
  );
}

function nextStep({ what, at }, index, now) {
  return h("li", { key: index }, icon("right"), h("span", null, what, at ? [" ", ago(at, now)] : null));
}

/** `resource`: {resourceType, resourceId}, of which the runs of `loader` are. */
export function runsCard({ data, error }, resource, now) {
  const all = h("a", { href: href(["runs"], resource) }, "All runs");
  const list = data?.length ? runsTable(data, now) : h("p", { class: "muted" }, "None.");
  return card(["Recent runs", all], errorBox(error), data ? list : skeleton(2));
}

function side(title, ...content) {
  return h("div", { class: "side" }, h("h3", null, title), content);
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "") + ".";

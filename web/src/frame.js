// What stands around every page: the way to all others, whether what is shown is live, who is signed in.

import { h } from "./dom.js";
import { icon } from "./parts.js";
import { href } from "./router.js";

// What the navigation offers, in groups: path, words, icon, and who it is for: `admin`, or `cloud` where the hub has
// workstations on Google Cloud.
const kGroups = [
  [
    "Machines",
    ["workspaces", "Workspaces", "terminal"],
    ["templates", "Templates", "cube"],
    ["workstations", "Workstations", "screen", "cloud"],
    ["tiers", "Tiers", "layers", "cloud"],
    ["organizations", "Organizations", "building", "cloud", "admin"],
    ["quota", "Quota", "gauge"],
  ],
  [
    "Activity",
    ["runs", "Runs", "bars"],
    ["alerts", "Alerts", "bell"],
    ["messages", "Messages", "envelope", "cloud", "admin"],
    ["metrics", "Metrics", "chart"],
    ["audit", "Audit", "shield", "admin"],
  ],
  [
    "Automation",
    ["schedules", "Schedules", "clock", "admin"],
    ["queues", "Queues", "lines", "admin"],
    ["jobs", "Jobs", "stack", "admin"],
    ["daemons", "Daemons", "chip", "admin"],
    ["webhooks", "Webhooks", "out"],
  ],
];

const kLiveTexts = {
  live: ["Live", "Changes show as they happen"],
  connecting: ["Connecting", "Connecting to the hub"],
  polling: ["Polling", "The live stream is down: asking every few seconds"],
  off: ["Paused", "Not connected"],
};

/** `section` is that of the page shown; `counts` are numbers to stand at sections: `{alerts: 3}`. */
export function header({ section, me, hasCloud, liveState, counts, signOut }) {
  const kinds = new Set([hasCloud ? "cloud" : null, me?.role]);
  const link = ([name, text, iconName, ...needs]) =>
    needs.every((need) => kinds.has(need))
      ? h(
          "a",
          { key: name, href: href([name]), "aria-current": name === section ? "page" : null },
          icon(iconName),
          text,
          counts[name] ? count(counts[name]) : null,
        )
      : null;
  return h(
    "header",
    { class: "top", key: "header" },
    skipLink(),
    h(
      "div",
      { class: "top-row" },
      h(
        "a",
        { class: "brand", href: href(["workspaces"]), "aria-label": "Slipway, home" },
        h("img", { src: "icon.svg", alt: "", width: "26", height: "26" }),
        h("span", { "aria-hidden": "true" }, "Slipway"),
      ),
      h(
        "nav",
        { "aria-label": "Main" },
        kGroups.map(([title, ...links]) => group(title, links.map(link))),
        group("Reference", [h("a", { href: "docs" }, icon("code"), "API")]),
      ),
      live(liveState),
      who(me),
      h("button", { type: "button", class: "button quiet", onclick: signOut }, "Sign out"),
    ),
  );
}

function group(title, links) {
  return h(
    "div",
    { class: "nav-group", key: title, role: "group", "aria-label": title },
    h("span", { class: "nav-title", "aria-hidden": "true" }, title),
    links,
  );
}

function count(number) {
  return h("span", { class: "nav-count" }, String(number), h("span", { class: "visually-hidden" }, " open"));
}

function skipLink() {
  const skip = (event) => (event.preventDefault(), document.querySelector("main h1")?.focus());
  return h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content");
}

function live(state) {
  const [text, title] = kLiveTexts[state];
  return h(
    "span",
    { class: `live live-${state}`, title, role: "status" },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("span", { class: "live-text" }, text),
  );
}

function who(me) {
  if (!me) return h("span", { class: "who" });
  return h(
    "span",
    { class: "who" },
    h("span", { class: "who-name" }, me.name || me.user_id),
    me.role === "admin" ? h("span", { class: "chip" }, "admin") : null,
  );
}

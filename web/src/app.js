// The frame around the pages: who is signed in, which page is shown, what is live. Everything is wired here.

import { Api } from "./api.js";
import { h, render } from "./dom.js";
import { later } from "./later.js";
import { Live } from "./live.js";
import { emptyState, pageHead } from "./parts.js";
import { href, navigate, parseRoute } from "./router.js";
import { Session } from "./session.js";
import { RunPage } from "./pages/run.js";
import { RunsPage } from "./pages/runs.js";
import { SignInPage } from "./pages/sign_in.js";
import { WorkspacePage } from "./pages/workspace.js";
import { WorkspacesPage } from "./pages/workspaces.js";

const MetricsPage = later("Metrics", async () => (await import("./pages/metrics.js")).MetricsPage);
const QueuesPage = later("Queues", async () => (await import("./pages/queues.js")).QueuesPage);
const SchedulePage = later("Schedule", async () => (await import("./pages/schedules.js")).SchedulePage);
const SchedulesPage = later("Schedules", async () => (await import("./pages/schedules.js")).SchedulesPage);
const TerminalPage = later("Terminal", async () => (await import("./pages/terminal.js")).TerminalPage);
const WebhookPage = later("Webhook", async () => (await import("./pages/webhook.js")).WebhookPage);
const WebhooksPage = later("Webhooks", async () => (await import("./pages/webhooks.js")).WebhooksPage);

// What the navigation offers: path, words, for admins only.
const kSections = [
  ["workspaces", "Workspaces", false],
  ["runs", "Runs", false],
  ["metrics", "Metrics", false],
  ["schedules", "Schedules", true],
  ["queues", "Queues", true],
  ["webhooks", "Webhooks", false],
];

const kLiveTexts = {
  live: ["Live", "Changes show as they happen"],
  connecting: ["Connecting", "Connecting to the hub"],
  polling: ["Polling", "The live stream is down: asking every few seconds"],
  off: ["Paused", "Not connected"],
};

const session = new Session(() => show());
const api = new Api(session);
const live = new Live(api, () => drawFrame());
const root = document.getElementById("app");

let me = null; // the answer of /v1/me, once known
let page = null; // {name, section, view}: which page is shown, and what made of it (below)
const signOutActions = new Set();

// A page is a class made with (app, route, redraw): `title`, `draw()`, and where needed `onRoute(route)` (the same page
// with another query) and `dispose()`. `redraw` draws the frame again as long as the page is shown.
// `atSignOut` is told what must not outlive the key.
const app = {
  api,
  live,
  session,
  navigate,
  announce,
  me: () => me,
  atSignOut: (action) => signOutActions.add(action),
};

function announce(text) {
  const element = document.getElementById("announcer");
  element.textContent = ""; // so that the same words twice are read twice
  setTimeout(() => (element.textContent = text), 50);
}

// The page's name (another name is another page), its class, and the section that it belongs to.
function pageFor({ segments }) {
  const [first = "workspaces", second, third] = segments;
  if (first === "workspaces" && third === "terminal") return ["terminal " + second, TerminalPage, first];
  if (first === "workspaces" && second && second !== "new") return ["workspace " + second, WorkspacePage, first];
  if (first === "workspaces") return ["workspaces", WorkspacesPage, first];
  if (first === "metrics") return ["metrics", MetricsPage, first];
  if (first === "queues") return ["queues", QueuesPage, first];
  if (first === "schedules")
    return second ? ["schedule " + second, SchedulePage, first] : ["schedules", SchedulesPage, first];
  if (first === "webhooks")
    return second ? ["webhook " + second, WebhookPage, first] : ["webhooks", WebhooksPage, first];
  if (first === "runs") return second ? ["run " + second, RunPage, first] : ["runs", RunsPage, first];
  return ["nowhere", NowherePage, null];
}

class NowherePage {
  title = "Not found";
  draw() {
    const home = h("a", { href: href(["workspaces"]) }, "Go to your workspaces");
    return [pageHead("There is no such page"), emptyState("Nothing here", "The address may be old or mistyped.", home)];
  }
}

function show() {
  const route = parseRoute();
  const signedIn = Boolean(session.key);
  const [name, View, section] = signedIn ? pageFor(route) : ["sign-in", SignInPage, null];
  if (page?.name === name) {
    page.view.onRoute?.(route);
    return drawFrame();
  }
  leavePage();
  if (!signedIn) forgetUser();
  else if (!me) loadMe();
  if (signedIn) live.start();
  const here = { name, section };
  here.view = new View(app, route, () => here === page && drawFrame());
  page = here;
  drawFrame();
  document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  focusPage();
}

function forgetUser() {
  me = null;
  live.stop();
  for (const action of signOutActions) action();
  signOutActions.clear();
}

function leavePage() {
  const first = page === null;
  page?.view.dispose?.();
  page = null;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  if (!first) scrollTo(0, 0);
}

async function loadMe() {
  try {
    me = (await api.get("/v1/me")).data;
    drawFrame();
  } catch (error) {
    if (!error.code) throw error; // shown by the page, which meets the same trouble
  }
}

// A new page begins at its heading, for the keyboard and for screen readers.
function focusPage() {
  if (document.querySelector("dialog[open]") || document.querySelector("main [autofocus]")) return;
  document.querySelector("main h1")?.focus({ preventScroll: true });
}

function drawFrame() {
  if (!page) return;
  document.title = `${page.view.title} · Slipway`;
  render(
    root,
    session.key ? header() : null,
    h("main", { id: "main", key: page.name, class: `page ${page.name.split(" ")[0]}` }, page.view.draw()),
  );
}

function header() {
  const link = (name, text) =>
    h("a", { key: name, href: href([name]), "aria-current": name === page.section ? "page" : null }, text);
  const [liveText, liveTitle] = kLiveTexts[live.state];
  return h(
    "header",
    { class: "top", key: "header" },
    h(
      "a",
      {
        class: "skip",
        href: "#main",
        onclick: (event) => (event.preventDefault(), document.querySelector("main h1")?.focus()),
      },
      "Skip to content",
    ),
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
        kSections
          .filter(([, , adminOnly]) => !adminOnly || me?.role === "admin")
          .map(([name, text]) => link(name, text)),
        h("a", { href: "docs" }, "API"),
      ),
      h(
        "span",
        { class: `live live-${live.state}`, title: liveTitle, role: "status" },
        h("span", { class: "dot", "aria-hidden": "true" }),
        h("span", { class: "live-text" }, liveText),
      ),
      h(
        "span",
        { class: "who" },
        me
          ? [
              h("span", { class: "who-name" }, me.name || me.user_id),
              me.role === "admin" ? h("span", { class: "chip" }, "admin") : null,
            ]
          : null,
      ),
      h("button", { type: "button", class: "button quiet", onclick: () => session.signOut() }, "Sign out"),
    ),
  );
}

addEventListener("hashchange", () => {
  if (session.takeKeyFromAddress()) {
    leavePage();
    forgetUser();
  }
  show();
});

session.takeKeyFromAddress();
show();
session.askOtherTabs();
setInterval(drawFrame, 10_000); // "5 min ago" grows older by itself

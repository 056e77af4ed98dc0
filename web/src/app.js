// The frame around the pages: who is signed in, which page is shown, what is live. Everything is wired here.

import { Api } from "./api.js";
import { h, render } from "./dom.js";
import { header } from "./frame.js";
import { later } from "./later.js";
import { Live } from "./live.js";
import { emptyState, pageHead } from "./parts.js";
import { href, navigate, parseRoute } from "./router.js";
import { Session } from "./session.js";
import { Surroundings } from "./surroundings.js";
import { RunPage } from "./pages/run.js";
import { RunsPage } from "./pages/runs.js";
import { SignInPage } from "./pages/sign_in.js";
import { WorkspacePage } from "./pages/workspace.js";
import { WorkspacesPage } from "./pages/workspaces.js";

// Pages beyond the first visit, by the section that they belong to: the list, and the page of one.
const kCloud = "cloud.css";
const kBuilds = "builds.css";
const kLater = {
  alerts: [later("Alerts", "alerts", "AlertsPage", kCloud)],
  audit: [later("Audit", "audit", "AuditPage", kCloud)],
  builds: [null, later("Build", "build", "BuildPage", kBuilds)],
  daemons: [later("Daemons", "daemons", "DaemonsPage", kBuilds)],
  jobs: [later("Jobs", "jobs", "JobsPage", kBuilds), later("Job", "job", "JobPage", kBuilds)],
  messages: [later("Messages", "messages", "MessagesPage", kCloud), later("Message", "message", "MessagePage", kCloud)],
  metrics: [later("Metrics", "metrics", "MetricsPage")],
  organizations: [later("Organizations", "organizations", "OrganizationsPage", kCloud)],
  queues: [later("Queues", "queues", "QueuesPage")],
  quota: [later("Quota", "quota", "QuotaPage", kBuilds)],
  schedules: [later("Schedules", "schedules", "SchedulesPage"), later("Schedule", "schedules", "SchedulePage")],
  templates: [
    later("Templates", "templates", "TemplatesPage", kBuilds),
    later("Template", "template", "TemplatePage", kBuilds),
  ],
  tiers: [later("Tiers", "tiers", "TiersPage", kCloud)],
  webhooks: [later("Webhooks", "webhooks", "WebhooksPage"), later("Webhook", "webhook", "WebhookPage")],
  workstations: [
    later("Workstations", "workstations", "WorkstationsPage", kCloud),
    later("Workstation", "workstation", "WorkstationPage", kCloud),
  ],
};
// What is done with one, by the third word of the address.
const kDeeds = {
  change: later("Change", "build_form", "ChangeBuildPage", kBuilds),
  new: later("New workspace", "build_form", "NewBuildPage", kBuilds),
  terminal: later("Terminal", "terminal", "TerminalPage"),
};

const session = new Session(() => show());
const api = new Api(session);
const live = new Live(api, () => drawFrame());
const root = document.getElementById("app");

let surroundings = null; // of who is signed in
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
  me: () => surroundings?.me ?? null,
  tiers: () => surroundings?.tiers ?? [],
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
  const one = second && second !== "new"; // the form of a new one is over the list
  if (kDeeds[third]) return [`${third} ${second}`, kDeeds[third], first];
  if (first === "workspaces")
    return one ? ["workspace " + second, WorkspacePage, first] : [first, WorkspacesPage, first];
  if (first === "runs") return second ? ["run " + second, RunPage, first] : [first, RunsPage, first];
  const [List, One] = kLater[first] ?? [];
  if (one && One) return [`${first.slice(0, -1)} ${second}`, One, first === "builds" ? "workspaces" : first];
  return List ? [first, List, first] : ["nowhere", NowherePage, null];
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
  else {
    surroundings ??= new Surroundings(api, live, drawFrame);
    live.start();
  }
  const here = { name, section };
  here.view = new View(app, route, () => here === page && drawFrame());
  page = here;
  drawFrame();
  document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  focusPage();
}

function forgetUser() {
  surroundings?.dispose();
  surroundings = null;
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
    session.key ? frame() : null,
    h("main", { id: "main", key: page.name, class: `page ${page.name.split(" ")[0]}` }, page.view.draw()),
  );
}

function frame() {
  return header({
    section: page.section,
    me: surroundings.me,
    hasCloud: surroundings.tiers.length > 0,
    liveState: live.state,
    counts: { alerts: surroundings.openAlerts },
    signOut: () => session.signOut(),
  });
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

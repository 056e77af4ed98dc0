// One workstation: what happens to it now, its machine, where it is in the cloud, and what was and is the matter.

import { Deeds } from "../deeds.js";
import { h } from "../dom.js";
import { familyOf, isAbout } from "../live.js";
import { Loader } from "../loader.js";
import { backLink, button, errorBox, icon, pageHead, skeleton } from "../parts.js";
import { href } from "../router.js";
import { RunCard } from "../run_card.js";
import { alertsCard, auditCard, cloudCard, machineCard, orderCard, waitingNote } from "./workstation_cards.js";
import { askForTier, askToDelete, askToStop, startWorkstation, workstationPath } from "./workstation_actions.js";
import { canChangeTier, canDelete, canStart, canStop, launchUrl, workstationBadge } from "./workstation_parts.js";
import { runsCard, whyCard } from "./workspace_cards.js";

const kRunsShown = 5;
const kAlertsShown = 5;
const kAuditShown = 10;
const kAnyState = "open,acknowledged,resolved";
const kWhyEveryMs = 3_000; // an explanation is worth no more than a look now and then

export class WorkstationPage {
  #app;
  #id;
  #redraw;
  #shownStatus = null;
  #orderedBy; // the run that will make it, where the page is opened before there is a record
  #loader;
  #runs;
  #alerts;
  #audit = null; // for admins
  #why;
  #runCard;
  #deeds;
  #unsubscribe;
  #timer;

  constructor(app, { segments, query }, redraw) {
    this.#app = app;
    this.#id = segments[1];
    this.#redraw = redraw;
    this.#orderedBy = query.run;
    this.#runCard = new RunCard(app, redraw, () => this.#refreshAll());
    this.#deeds = new Deeds(app, () => this.#refreshAll(), redraw);
    const resource = this.#resource();
    this.#loader = this.#load(workstationPath(this.#id), {}, () => this.#loaded());
    this.#runs = this.#load("/v1/workflows/runs", { ...resource, limit: kRunsShown });
    this.#alerts = this.#load("/v1/alerts", { ...resource, state: kAnyState, limit: kAlertsShown });
    this.#why = new Loader((signal) => app.api.get(`/v1/why/${this.#explained()}`, { signal }), redraw);
    this.#runCard.follow(this.#orderedBy);
    this.#unsubscribe = app.live.subscribe((event) => this.#concerns(event) && this.#refreshAll());
    this.#timer = setInterval(() => !document.hidden && this.#explain(), kWhyEveryMs);
    this.#refreshAll();
  }

  get title() {
    return this.#id;
  }

  dispose() {
    this.#unsubscribe();
    clearInterval(this.#timer);
    this.#runCard.dispose();
    for (const loader of [...this.#loaders(), this.#why]) loader.dispose();
  }

  draw() {
    const { data: workstation, error } = this.#loader;
    const back = backLink(href(["workstations"]), "Workstations");
    if (!workstation) {
      const awaited = this.#orderedBy && error?.status === 404;
      return [back, pageHead(this.title), this.#runCard.draw(), (awaited ? null : errorBox(error)) ?? skeleton(6)];
    }
    const { announce } = this.#app;
    const now = this.#app.api.now();
    return [
      back,
      pageHead(workstation.id, workstationBadge(workstation), this.#actions(workstation)),
      this.#deeds.draw(),
      errorBox(error, { title: "Cannot refresh" }),
      errorBox(workstation.error, { title: workstation.status === "failed" ? "It failed" : "Its last trouble" }),
      waitingNote(workstation, this.#runCard.run, now),
      this.#runCard.draw(),
      h(
        "div",
        { class: "columns" },
        h("div", { class: "column" }, machineCard(workstation), cloudCard(workstation, announce)),
        h("div", { class: "column" }, orderCard(workstation, now), this.#isDone() ? null : whyCard(this.#why, now)),
      ),
      alertsCard(this.#alerts, this.#resource(), now),
      runsCard(this.#runs, this.#resource(), now),
      this.#audit ? auditCard(this.#audit, this.#resource(), now) : null,
    ];
  }

  #resource() {
    return { resourceType: "workstation", resourceId: this.#id };
  }

  #load(path, query = {}, onChange = this.#redraw) {
    return new Loader((signal) => this.#app.api.get(path, { query, signal }), onChange);
  }
  #loaders() {
    return [this.#loader, this.#runs, this.#alerts, this.#audit].filter(Boolean);
  }

  // There is no record before the run that makes it has come that far: then the run tells.
  #explained() {
    return this.#loader.data ? this.#id : this.#runCard.run.id;
  }
  #explain() {
    if (this.#runCard.run && !this.#isDone()) this.#why.refresh();
  }
  #isDone() {
    const { run } = this.#runCard;
    return !run || run.status === "completed";
  }

  #refreshAll() {
    if (this.#app.me()?.role === "admin")
      this.#audit ??= this.#load("/v1/audit", { ...this.#resource(), limit: kAuditShown });
    for (const loader of this.#loaders()) loader.refresh();
    this.#explain();
  }

  // An event that does not say what it is about may be about this one.
  #concerns(event) {
    if (!isAbout(event, "workstation", "run", "alert")) return false;
    const change = event.data;
    const subject = familyOf(event) === "workstation" ? change?.resource_id : change?.data?.resourceId;
    return !subject || subject === this.#id;
  }

  #loaded() {
    const { data: workstation } = this.#loader;
    if (workstation) {
      const { id, status, runId } = workstation;
      if (this.#shownStatus && this.#shownStatus !== status) this.#app.announce(`${id} is ${status}`);
      this.#shownStatus = status;
      this.#runCard.follow(runId);
      if (id !== this.#id) this.#app.navigate(["workstations", id], {}, { replace: true }); // it has another id now
    }
    this.#redraw();
  }

  #actions(workstation) {
    const { api, tiers, announce } = this.#app;
    const { id } = workstation;
    const accepted = (words) => (answer) => {
      announce(words);
      this.#runCard.follow(answer?.data?.run?.id);
      this.#refreshAll();
    };
    const start = async () => {
      const answer = await this.#deeds.do(`Starting ${id}`, () => startWorkstation(api, workstation));
      this.#runCard.follow(answer?.data?.run?.id);
    };
    const url = launchUrl(workstation);
    const isAdmin = this.#app.me()?.role === "admin";
    return [
      url
        ? h(
            "a",
            { class: "button primary", href: url, target: "_blank", rel: "noopener noreferrer" },
            icon("open"),
            "Launch",
          )
        : null,
      canStart(workstation) ? button("Start", start, { look: "primary", iconName: "play" }) : null,
      canStop(workstation)
        ? button("Stop", () => askToStop(api, [workstation], accepted(`Stopping ${id}`)), { iconName: "stop" })
        : null,
      isAdmin && canChangeTier(workstation)
        ? button("Change tier", () => askForTier(api, tiers(), workstation, accepted(`Changing the tier of ${id}`)), {
            iconName: "layers",
          })
        : null,
      isAdmin && canDelete(workstation)
        ? button("Delete", () => askToDelete(api, [workstation], accepted(`Deleting ${id}`)), {
            look: "danger-outline",
            iconName: "trash",
          })
        : null,
    ];
  }
}

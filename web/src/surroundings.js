// What the frame tells beside the page: who is signed in, whether the hub has a cloud, how many alerts are open.

import { isAbout } from "./live.js";
import { Loader } from "./loader.js";

const kBurstMs = 1_000;
const kOpen = { state: "open", limit: 1 }; // only the number is wanted

export class Surroundings {
  #me;
  #tiers;
  #alerts;
  #loaders;
  #unsubscribe;

  constructor(api, live, onChange) {
    const load = (path, query = {}) => new Loader((signal) => api.get(path, { query, signal }), onChange, kBurstMs);
    this.#me = load("/v1/me");
    this.#tiers = load("/v1/tiers");
    this.#alerts = load("/v1/alerts", kOpen);
    this.#loaders = [this.#me, this.#tiers, this.#alerts];
    this.#unsubscribe = live.subscribe((event) => isAbout(event, "alert") && this.#alerts.refresh());
    for (const loader of this.#loaders) loader.refresh();
  }

  dispose() {
    this.#unsubscribe();
    for (const loader of this.#loaders) loader.dispose();
  }

  /** The answer of /v1/me, once known. What goes wrong here, a page meets and shows as well. */
  get me() {
    return this.#me.data;
  }
  /** What workstations are sold as; empty where the hub makes none. */
  get tiers() {
    return this.#tiers.data ?? [];
  }
  get openAlerts() {
    return this.#alerts.meta?.pagination?.total ?? 0;
  }
}

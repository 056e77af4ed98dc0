// What changed, as it changes: the hub's stream of the caller's events, and polling while that stream is down.
//
// Events only say that something changed; pages then ask for what they show. So a missed, doubled or late event cannot
// leave a wrong picture behind.

import { EventFeed } from "./sse.js";

const kPollMs = 4_000;

/** What an event is about: "workspace", "run" …, or null for one that may be about anything. */
export const familyOf = ({ type }) => (type === "refresh" || type === "message" ? null : type.split(".")[0]);

/** Whether an event is about one of these families, as far as it says. */
export const isAbout = (event, ...families) => [null, ...families].includes(familyOf(event));

export class Live {
  /** "connecting", "live", "polling" (the stream is down) or "off" (nobody is signed in). */
  state = "off";
  #api;
  #feed = null;
  #poll = null;
  #wanted = false;
  #subscribers = new Set();
  #onState;

  constructor(api, onState) {
    this.#api = api;
    this.#onState = onState;
    // A browser allows six HTTP/1.1 connections to one host for all its tabs; hidden ones give theirs back.
    document.addEventListener("visibilitychange", () => this.#sync());
  }

  start() {
    this.#wanted = true;
    this.#sync();
  }
  stop() {
    this.#wanted = false;
    this.#sync();
  }

  /** `notify(event)` with `{type, data}` of the stream, or `{type: "refresh"}`: anything may have changed. */
  subscribe(notify) {
    this.#subscribers.add(notify);
    return () => this.#subscribers.delete(notify);
  }

  #sync() {
    const run = this.#wanted && !document.hidden;
    if (run && !this.#feed) {
      this.#feed = new EventFeed(this.#api, "/v1/events", {
        onEvent: (event) => this.#publish(event),
        onState: (state) => this.#feedIs(state),
      });
      this.#setState("connecting");
      this.#feed.start();
    } else if (!run && this.#feed) {
      this.#feed.stop();
      this.#feed = null;
      this.#pollWhile(false);
      this.#setState("off");
    }
  }

  #feedIs(state) {
    this.#pollWhile(state !== "open");
    this.#setState(state === "open" ? "live" : "polling");
    if (state === "open") this.#publish({ type: "refresh" });
  }

  #pollWhile(down) {
    if (down && !this.#poll) this.#poll = setInterval(() => this.#publish({ type: "refresh" }), kPollMs);
    if (!down) (clearInterval(this.#poll), (this.#poll = null));
  }

  #publish(event) {
    for (const notify of [...this.#subscribers]) notify(event);
  }
  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#onState(state);
  }
}

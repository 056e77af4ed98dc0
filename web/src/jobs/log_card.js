// The log of a job as a card: its stages, and each line as it is written.

import { h } from "../dom.js";
import { button, errorBox } from "../parts.js";

/** `follower`: a JobFollower; the card stays while it is the same. `announce(words)` tells screen readers. */
export function logCard(follower) {
  const { model, view, hasEnded } = follower;
  const isEmpty = !model.sections.length;
  const mount = (frame) => {
    view.mount(frame);
    view.update(model.sections);
    view.drawStates(follower.states());
  };
  return h(
    "section",
    { class: "card log-card", key: `log ${follower.id}`, "aria-labelledby": "log-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "log-title" }, "Log ", count(model.length)),
      view.follows
        ? h("span", { class: "muted small" }, hasEnded ? "" : "Following")
        : button(hasEnded ? "To the end" : "Follow", () => view.follow(), { look: "small-button", iconName: "down" }),
    ),
    errorBox(follower.error, { title: "Cannot show the log" }),
    isEmpty ? h("p", { class: "muted" }, hasEnded ? "Nothing was written." : "Nothing is written yet.") : null,
    h("div", {
      class: "job-log",
      hidden: isEmpty,
      tabindex: "0",
      role: "region",
      "aria-label": "Log",
      ref: mount,
    }),
  );
}

const count = (lines) => (lines ? h("span", { class: "count" }, `${lines.toLocaleString()} lines`) : null);

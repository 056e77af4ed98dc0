// The small pieces that every page is made of.

import { h } from "./dom.js";
import { capitalized, fullTime, relative, spaced } from "./format.js";

const kNumbers = new Intl.NumberFormat();

const kIcons = {
  check: "M3.5 8.5 6.5 11.5 12.5 5",
  cross: "M4.5 4.5 11.5 11.5M11.5 4.5 4.5 11.5",
  play: "M5.5 3.8 12 8 5.5 12.2Z",
  pause: "M5.5 4V12M10.5 4V12",
  stop: "M4.5 4.5H11.5V11.5H4.5Z",
  trash: "M3 4.5H13M6.5 4.5V3H9.5V4.5M4.5 4.5 5 13H11L11.5 4.5M6.8 7V10.7M9.2 7V10.7",
  plus: "M8 3.5V12.5M3.5 8H12.5",
  copy: "M6 5.5H12.5V12.5H6ZM10 5.5V3.5H3.5V10H6",
  undo: "M6 3.5 3.5 6 6 8.5M3.5 6H9.5A3 3 0 0 1 9.5 12H7",
  clock: "M8 4.8V8L10.2 9.6M8 2.5A5.5 5.5 0 1 1 8 13.5A5.5 5.5 0 0 1 8 2.5Z",
  dash: "M4.5 8H11.5",
  alert: "M8 5V8.7M8 10.9V11M8 2.2 14 13H2Z",
  terminal: "M2.5 3.5H13.5V12.5H2.5ZM5 6.5 6.8 8.2 5 10M8.5 10H11",
  left: "M9.8 4 5.8 8 9.8 12",
  right: "M6.2 4 10.2 8 6.2 12",
  down: "M4 6.2 8 10.2 12 6.2",
  again: "M12.5 5.5A5 5 0 1 0 13 8.5M13 2.8V5.7H10.1",
  screen: "M2.5 3.5H13.5V10.5H2.5ZM5.5 13.5H10.5M8 10.5V13.5",
  layers: "M8 2.5 13.8 5.8 8 9.1 2.2 5.8ZM2.7 9.4 8 12.5 13.3 9.4",
  building: "M4 13.5V2.5H12V13.5M2.5 13.5H13.5M6.5 5.5V5.6M9.5 5.5V5.6M6.5 8.5V8.6M9.5 8.5V8.6",
  bars: "M2.5 4.5H8M5.5 8H11M8.5 11.5H13.5",
  bell: "M3 11.5H13L11.7 9.7V7A3.7 3.7 0 0 0 4.3 7V9.7ZM7 13.7H9",
  envelope: "M2.5 4H13.5V12H2.5ZM2.8 4.5 8 8.7 13.2 4.5",
  chart: "M3.5 13V9M8 13V3.5M12.5 13V6.5",
  shield: "M8 2.3 13 4.2V8C13 11 10.8 12.9 8 13.9 5.2 12.9 3 11 3 8V4.2ZM5.8 8 7.4 9.6 10.3 6.5",
  lines: "M3 4.5H13M3 8H13M3 11.5H9",
  out: "M3 8H12M8.5 4.5 12 8 8.5 11.5M2.5 3.5V12.5",
  code: "M5.5 4.5 2 8 5.5 11.5M10.5 4.5 14 8 10.5 11.5",
  open: "M6.5 3.5H3.5V12.5H12.5V9.5M9 3.5H12.5V7M12.5 3.5 7.5 8.5",
  pencil: "M10.5 3 13 5.5 6 12.5 3 13 3.5 10Z",
  cube: "M8 2 13.5 5V11L8 14 2.5 11V5ZM2.5 5 8 8 13.5 5M8 8V14",
  gauge: "M3 12.5A6 6 0 1 1 13 12.5M8 9.5 10.8 6",
  chip: "M4.5 4.5H11.5V11.5H4.5ZM6.5 4.5V2M9.5 4.5V2M6.5 14V11.5M9.5 14V11.5M4.5 6.5H2M4.5 9.5H2M14 6.5H11.5M14 9.5H11.5",
  stack: "M3 3.5H13V6.5H3ZM3 9.5H13V12.5H3Z",
  lock: "M4 7.5H12V13H4ZM5.5 7.5V5.5A2.5 2.5 0 0 1 10.5 5.5V7.5",
  fit: "M3.5 6V3.5H6M10 3.5H12.5V6M12.5 10V12.5H10M6 12.5H3.5V10",
};

/** A line drawing that says nothing by itself: words stand beside it or in the label of its button. */
export function icon(name) {
  return h("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, h("path", { d: kIcons[name] }));
}

export const spinner = () => h("span", { class: "spinner", "aria-hidden": "true" });

// Every status of workspaces, runs, steps, schedules, queues, webhooks, deliveries, messages, jobs, daemons, templates'
// versions and of what was done: how it looks. Never by colour alone. Workstations have their own (pages/workstation_parts.js).
const kLooks = {
  PROVISIONING: ["busy", null],
  READY: ["good", "check"],
  SUSPENDED: ["idle", "pause"],
  ERROR: ["bad", "cross"],
  active: ["good", "check"],
  paused: ["idle", "pause"],
  disabled: ["bad", "cross"],
  error: ["bad", "alert"],
  ended: ["idle", "dash"],
  delivered: ["good", "check"],
  pending: ["idle", "dash"],
  running: ["busy", null],
  waiting: ["wait", "clock"],
  completed: ["good", "check"],
  succeeded: ["good", "check"],
  failed: ["bad", "cross"],
  cancelled: ["idle", "cross"],
  skipped: ["idle", "dash"],
  compensating: ["undo", null],
  compensated: ["undo", "undo"],
  compensation_failed: ["bad", "alert"],
  accepted: ["good", "check"],
  refused: ["bad", "cross"],
  success: ["good", "check"],
  failure: ["bad", "cross"],
  denied: ["wait", "alert"],
  importing: ["busy", null],
  ready: ["good", "check"],
  online: ["good", "check"],
  draining: ["wait", "clock"],
  offline: ["idle", "cross"],
};

/** The colour family of a status: good, busy, wait, idle, bad or undo. */
export const tone = (status) => (kLooks[status] ?? ["idle"])[0];
export const statusIcon = (status) => {
  const name = (kLooks[status] ?? ["idle", "dash"])[1];
  return name ? icon(name) : spinner();
};
export function badge(status) {
  return h(
    "span",
    { class: `badge tone-${tone(status)}`, "data-status": status },
    statusIcon(status),
    capitalized(spaced(status)),
  );
}

const kToneIcons = { good: "check", wait: "alert", idle: "dash", bad: "cross" };

/** For what is no status of the hub's: any words, in the colours of a tone. */
export function plainBadge(text, look) {
  const sign = kToneIcons[look] ? icon(kToneIcons[look]) : spinner();
  return h("span", { class: `badge tone-${look}` }, sign, capitalized(text));
}

/** "5 min ago", with the full time on hover; `none` where there is no time. */
export function ago(iso, now, none = "–") {
  if (!iso) return h("span", { class: "muted" }, none);
  return h("time", { datetime: iso, title: fullTime(iso) }, relative(now - Date.parse(iso)));
}

/** An error as it is: message, code, request id, and what else the hub said. */
export function errorBox(error, { title = null, onDismiss = null } = {}) {
  if (!error) return null;
  return h(
    "div",
    { class: "error-box", role: "alert" },
    icon("alert"),
    h(
      "div",
      { class: "error-text" },
      h("p", null, title ? h("strong", null, `${title}: `) : null, error.message),
      h(
        "p",
        { class: "small" },
        h("code", null, error.code),
        error.requestId ? [" · request ", h("code", null, error.requestId)] : null,
      ),
      error.details ? h("details", { class: "small" }, h("summary", null, "Details"), json(error.details)) : null,
    ),
    onDismiss
      ? h("button", { type: "button", class: "plain", "aria-label": "Dismiss", onclick: onDismiss }, icon("cross"))
      : null,
  );
}

export function json(value, label = "Data") {
  return h(
    "pre",
    { class: "json", tabindex: "0", role: "region", "aria-label": label },
    JSON.stringify(value, null, 2),
  );
}

export function button(
  label,
  onclick,
  { look = "", iconName = null, disabled = false, name = null, type = "button" } = {},
) {
  const content = [iconName ? icon(iconName) : null, label];
  return h("button", { type, class: `button ${look}`.trim(), disabled, onclick, "aria-label": name }, content);
}

/** A command to be pasted into a terminal. */
export function command(text, what, announce) {
  const copy = async (event) => {
    const control = event.currentTarget;
    const done = await copyText(text, control.parentElement.querySelector("code"));
    announce(done ? "Copied" : "Selected: press Ctrl+C to copy");
    control.classList.toggle("copied", done);
    setTimeout(() => control.classList.remove("copied"), 1500);
  };
  return h(
    "div",
    { class: "command" },
    h("code", { tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": what }, text),
    h(
      "button",
      { type: "button", class: "plain copy", "aria-label": `Copy: ${what}`, title: "Copy", onclick: copy },
      icon("copy"),
      icon("check"),
    ),
  );
}

// The clipboard API exists only on https and localhost; elsewhere the text is selected and copied the old way.
async function copyText(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

/** Rows of name and value. Values that are null are left out. */
export function facts(rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: "facts" },
    shown.map(([name, value]) => h("div", { key: name }, h("dt", null, name), h("dd", null, value))),
  );
}

/** The heading of a page. Always built alike, so that it keeps focus while what stands beside it loads. */
export function pageHead(title, beside = null, actions = null) {
  return h(
    "div",
    { class: "page-head" },
    h("div", { class: "title-row" }, h("h1", { tabindex: "-1" }, title), beside),
    h("div", { class: "head-actions" }, actions),
  );
}

/** A card with its title; `[title, beside]` puts something at the right of it. */
export function card(heading, ...content) {
  const [title, beside] = Array.isArray(heading) ? heading : [heading, null];
  const id = `card-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  const head = h("h2", { id }, title);
  return h(
    "section",
    { class: "card", "aria-labelledby": id },
    beside ? h("div", { class: "card-head" }, head, beside) : head,
    content,
  );
}

export function backLink(target, text) {
  return h("p", { class: "breadcrumb" }, h("a", { href: target }, icon("left"), text));
}

export function emptyState(title, text, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", { class: "muted" }, text), more);
}

/** Keeps the place of what is being loaded, so that nothing jumps when it comes. */
export function skeleton(lines) {
  const line = (_, index) => h("div", { class: "skeleton-line", key: index });
  return h(
    "div",
    { class: "skeleton", "aria-busy": "true", "aria-label": "Loading", role: "group" },
    Array.from({ length: lines }, line),
  );
}

/**
 * `columns`: {name, cell(row), look}; `head` stands there in place of the name. Roles are spelled out because on narrow
 * screens rows are laid out as cards.
 */
export function table(label, columns, rows, keyOf) {
  const head = columns.map((column) =>
    h(
      "th",
      { role: "columnheader", scope: "col", class: column.look },
      column.head ?? (column.hidden ? h("span", { class: "visually-hidden" }, column.name) : column.name),
    ),
  );
  const body = rows.map((row) =>
    h(
      "tr",
      { role: "row", key: keyOf(row), "data-row": keyOf(row) },
      columns.map((column) =>
        h(
          "td",
          { role: "cell", class: column.look, "data-label": column.hidden ? null : column.name },
          column.cell(row),
        ),
      ),
    ),
  );
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { role: "table", "aria-label": label, onkeydown: moveWithArrows },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, body),
    ),
  );
}

/** The last column of a table: what can be done with a row. */
export function actionsColumn(buttons) {
  const cell = (row) => h("div", { class: "row-actions" }, buttons(row));
  return { name: "Actions", look: "cell-actions", hidden: true, cell };
}

// Up and down go from row to row.
function moveWithArrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.classList.contains("row-link")) return;
  const links = [...event.currentTarget.querySelectorAll(".row-link")];
  const next = links[links.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** A labelled choice; `options` are [value, text] pairs. */
export function choice(label, name, value, options, onchange) {
  return h(
    "label",
    { class: "choice" },
    h("span", null, label),
    h(
      "select",
      { name, onchange: (event) => onchange(event.target.value), value },
      options.map(([option, text]) => h("option", { value: option, key: option }, text)),
    ),
  );
}

/** A labelled input among filters. `props` as for h(). */
export function field(label, props) {
  return h("label", { class: "choice" }, h("span", null, label), h("input", { autocomplete: "off", ...props }));
}

/**
 * The way through a list that is paged by cursor, and how long it is; `~` when that is an estimate. `[one, many]`
 * are the words for what is listed. `go(cursor)` changes the page; the way back is the browser's.
 */
export function cursorPager({ data, meta }, { cursor }, [one, many], go) {
  const { total, totalIsEstimate, hasMore, nextCursor } = meta?.pagination ?? {};
  const look = "small-button";
  const count = total ?? data.length;
  const length = `${totalIsEstimate ? "~" : ""}${kNumbers.format(count)} ${count === 1 ? one : many}`;
  const more = cursor || hasMore;
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    more ? button("First", () => go(null), { look, iconName: "left", disabled: !cursor }) : null,
    h("span", { class: "muted" }, length),
    more ? button("Next", () => go(nextCursor), { look, iconName: "right", disabled: !hasMore }) : null,
  );
}

/** Which part of a long list is shown, and the way to the rest; nothing when all of it is. `go(page)` changes it. */
export function pager({ data, meta }, asked, go) {
  const page = Number(asked) || 1;
  const { hasMore, pageSize, total } = meta?.pagination ?? {};
  if (!meta?.pagination || (page === 1 && !hasMore)) return null;
  const first = (page - 1) * pageSize + 1;
  const range = `${first}–${first + data.length - 1}` + (total ? ` of ${total}` : "");
  const look = "small-button";
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    button("Newer", () => go(page > 2 ? page - 1 : null), { look, iconName: "left", disabled: page === 1 }),
    h("span", { class: "muted" }, range),
    button("Older", () => go(page + 1), { look, iconName: "right", disabled: !hasMore }),
  );
}

// What pages that show one answer of the hub have in common: the question is in the address, the answer is asked for
// again as things change, and what cannot be shown says why.

import { Deeds } from "./deeds.js";
import { Loader } from "./loader.js";
import { cursorPager, errorBox, pageHead, skeleton, table } from "./parts.js";

const kPageSize = 50;

/**
 * A page of one answer. Its class says `title`, `trouble` (what is said when the answer does not come) and `content(data,
 * now)`; where it has them `actions()` (beside the title), `intro()`, `filters()`, `asked()` (the API's query; that of
 * the address otherwise) and `loaded()` (an answer has come).
 *
 * `path` is the API's, `section` the page's own segments of the address. `everyMs`: how often it asks by itself, for
 * what makes no events; `wants(event)`: which changes are worth asking; `burstMs`: how often they are, at most.
 */
export class AnswerPage {
  skeletonLines = 4;
  #redraw;
  #section;
  #query;
  #loader;
  #timer;
  #unsubscribe;

  constructor(app, { query }, redraw, { path, section, everyMs = null, wants = null, burstMs = undefined }) {
    this.app = app;
    this.#redraw = redraw;
    this.#section = section;
    this.#query = query;
    const changed = () => (this.loaded(), redraw());
    this.#loader = new Loader((signal) => app.api.get(path, { query: this.asked(), signal }), changed, burstMs);
    this.deeds = new Deeds(app, () => this.refresh(), redraw);
    this.#timer = everyMs ? setInterval(() => document.hidden || this.refresh(), everyMs) : null;
    this.#unsubscribe = wants ? app.live.subscribe((event) => wants(event) && this.refresh()) : null;
    queueMicrotask(() => this.refresh()); // the page itself is made after this
  }

  get query() {
    return this.#query;
  }
  get data() {
    return this.#loader.data;
  }
  get meta() {
    return this.#loader.meta;
  }
  /** Puts in what another answer already brought. */
  put(data) {
    this.#loader.set(data);
  }
  refresh() {
    return this.#loader.refresh();
  }
  redraw() {
    this.#redraw();
  }

  /** Changes the question. Back does not lead through every filter that was tried. */
  filter(change) {
    this.app.navigate(this.#section, { ...this.#query, cursor: null, ...change }, { replace: true });
  }
  goToCursor(cursor) {
    this.app.navigate(this.#section, { ...this.#query, cursor });
  }

  onRoute({ query }) {
    this.#query = query;
    this.refresh();
  }
  dispose() {
    clearInterval(this.#timer);
    this.#unsubscribe?.();
    this.#loader.dispose();
  }

  draw() {
    const { data, error } = this.#loader;
    return [
      pageHead(this.title, null, this.actions()),
      this.intro(),
      this.filters(),
      this.deeds.draw(),
      errorBox(error, { title: this.trouble }),
      data ? this.content(data, this.app.api.now()) : error ? null : skeleton(this.skeletonLines),
    ];
  }

  asked() {
    return this.#query;
  }
  actions() {
    return null;
  }
  intro() {
    return null;
  }
  filters() {
    return null;
  }
  loaded() {}
}

/**
 * A page of a list, paged by cursor. Its class says also `words` (`[one, many]` of what is listed), `columns(now)` as of
 * `table()`, and `none()`: what stands there when the list is empty.
 */
export class ListPage extends AnswerPage {
  get trouble() {
    return "Cannot load the list";
  }
  asked() {
    return { limit: kPageSize, ...this.query };
  }
  /** Whether some question was asked, so that an empty list says nothing of the whole. */
  get filtered() {
    return Object.keys(this.query).length > 0;
  }
  keyOf({ id }) {
    return id;
  }

  content(rows, now) {
    if (!rows.length) return this.none();
    return [
      table(this.title, this.columns(now), rows, this.keyOf),
      cursorPager({ data: rows, meta: this.meta }, this.query, this.words, (cursor) => this.goToCursor(cursor)),
    ];
  }
}

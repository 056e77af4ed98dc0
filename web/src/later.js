// A page whose code is fetched when it is first opened, so that the first visit loads only what it shows.

import { errorBox, pageHead, skeleton } from "./parts.js";
import { addStyles } from "./styles.js";

/** A page class for app.js: `View` of `pages/${file}.js`, with a style sheet where it needs more than the usual one. */
export function later(title, file, View, styles = null) {
  const load = async () => {
    const [module] = await Promise.all([import(`./pages/${file}.js`), styles && addStyles(styles)]);
    return module[View];
  };
  return class {
    #app;
    #route;
    #redraw;
    #view = null;
    #error = null;
    #gone = false;

    constructor(app, route, redraw) {
      this.#app = app;
      this.#route = route;
      this.#redraw = redraw;
      this.#begin();
    }

    get title() {
      return this.#view?.title ?? title;
    }
    draw() {
      return this.#view?.draw() ?? [pageHead(title), errorBox(this.#error) ?? skeleton(6)];
    }
    onRoute(route) {
      this.#route = route;
      this.#view?.onRoute?.(route);
    }
    dispose() {
      this.#gone = true;
      this.#view?.dispose?.();
    }

    async #begin() {
      try {
        const Page = await load();
        if (!this.#gone) this.#view = new Page(this.#app, this.#route, this.#redraw);
      } catch {
        this.#error = {
          code: "HUB_UNREACHABLE",
          message: "This page cannot be fetched from the hub. Reload to try again.",
        };
      }
      this.#redraw();
      if (document.activeElement === document.body) document.querySelector("main h1")?.focus({ preventScroll: true });
    }
  };
}

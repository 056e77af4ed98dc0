// Modal dialogs on the browser's own <dialog>: it keeps focus inside, closes on Escape and gives focus back.

import { h, render } from "./dom.js";
import { button, errorBox, spinner } from "./parts.js";

/**
 * Opens a dialog. `body(dialog)` describes its content and is called again by `dialog.update()`; `onClose` is told when
 * it has gone, however that came. Answers the dialog: `update()`, `close()`.
 */
export function openDialog({ title, look = "", body, onClose }) {
  const element = document.createElement("dialog");
  element.className = `dialog ${look}`.trim();
  element.setAttribute("aria-labelledby", "dialog-title");
  const dialog = {
    element,
    close: () => element.close(),
    update: () =>
      render(element, h("div", { class: "dialog-frame" }, h("h2", { id: "dialog-title" }, title), body(dialog))),
  };
  // A press that begins inside and ends outside (selecting text) is not a wish to close.
  let pressedOutside = false;
  element.addEventListener("mousedown", (event) => (pressedOutside = event.target === element));
  element.addEventListener("click", (event) => event.target === element && pressedOutside && element.close());
  element.addEventListener("close", () => {
    element.remove();
    onClose?.();
  });
  dialog.update();
  document.body.append(element);
  element.showModal();
  return dialog;
}

/**
 * Asks before something is done. `act()` does it; while it works the buttons wait, an error is shown in the dialog, and
 * only success closes it. `content(dialog)` stands above the buttons; `ready()` says whether the deed may be done.
 */
export function openConfirmation({ title, content, verb, look = "primary", ready = () => true, act, onClose }) {
  let busy = false;
  let error = null;
  const submit = async (dialog) => {
    if (busy || !ready()) return;
    busy = true;
    error = null;
    dialog.update();
    try {
      await act();
      dialog.close();
    } catch (failure) {
      if (!failure.code) throw failure;
      error = failure;
    } finally {
      busy = false;
      dialog.update();
    }
  };
  return openDialog({
    title,
    onClose,
    body: (dialog) =>
      h(
        "form",
        { onsubmit: (event) => (event.preventDefault(), submit(dialog)), novalidate: true },
        content(dialog),
        errorBox(error),
        h(
          "div",
          { class: "dialog-buttons" },
          button("Cancel", () => dialog.close(), { disabled: busy }),
          button([busy ? spinner() : null, verb], null, { look, type: "submit", disabled: busy || !ready() }),
        ),
      ),
  });
}

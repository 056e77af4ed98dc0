// xterm.js makes <style> elements and style attributes, which the content policy forbids, and rightly: what could be
// put there could restyle the page. The object model of styles does the same and is allowed, because only scripts reach
// it. So while a terminal is on the page, elements that are made take their styles that way.

let users = 0;

/** From here on; answers what ends it. */
export function takeStylesStrictly() {
  if (users++ === 0) document.createElement = createElement;
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--users === 0) delete document.createElement;
  };
}

function createElement(name, options) {
  if (name === "style") return styleSheet();
  const element = Document.prototype.createElement.call(document, name, options);
  element.setAttribute = setAttribute;
  return element;
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

// An element that shows nothing; its text is a style sheet of the document.
function styleSheet() {
  const element = Document.prototype.createElement.call(document, "template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

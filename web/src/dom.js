// A small virtual DOM: pages describe what should be there, `render` changes only what differs. So a live update keeps
// focus, selection, scroll position and half-typed input.

const kSvg = "http://www.w3.org/2000/svg";
// Set as properties: the attribute of the same name is only a default.
const kProperties = new Set(["value", "checked", "selected", "open"]);
const rendered = new WeakMap(); // container → what was rendered into it last

/**
 * Describes one element. Props: `key` (identity among siblings), `ref` (called once with the new element), `on…`
 * (handlers), `style` (custom properties and CSS names to values; through the CSSOM, which the policy allows), anything
 * else an attribute: true sets it empty, false and null leave it away. Children that are null or false are left away.
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, key: props?.key, children: normalize(children) };
}

/** Makes the content of `container` what `children` describe. */
export function render(container, ...children) {
  const next = normalize(children);
  patchChildren(container, rendered.get(container) ?? [], next, false);
  rendered.set(container, next);
}

function normalize(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== true)
    .map((child) => (typeof child === "object" ? child : { text: String(child) }));
}

function create(vnode, inSvg) {
  if (vnode.text !== undefined) {
    vnode.node = document.createTextNode(vnode.text);
    return;
  }
  const svg = inSvg || vnode.tag === "svg";
  const node = svg ? document.createElementNS(kSvg, vnode.tag) : document.createElement(vnode.tag);
  vnode.node = node;
  patchChildren(node, [], vnode.children, svg);
  patchProps(node, {}, vnode.props); // after the children: a select's value needs its options
  vnode.props.ref?.(node);
}

function update(old, next, inSvg) {
  const node = old.node;
  next.node = node;
  if (next.text !== undefined) {
    if (next.text !== old.text) node.data = next.text;
    return;
  }
  patchChildren(node, old.children, next.children, inSvg || next.tag === "svg");
  patchProps(node, old.props, next.props);
}

function same(a, b) {
  return a.tag === b.tag && a.key === b.key && (a.text === undefined) === (b.text === undefined);
}

function patchChildren(parent, olds, nexts, inSvg) {
  const keyed = new Map();
  const unkeyed = [];
  for (const old of olds) {
    if (old.key === undefined) unkeyed.push(old);
    else keyed.set(old.key, old);
  }
  const kept = new Set();
  for (const next of nexts) {
    const candidate = next.key === undefined ? takeSame(unkeyed, next) : keyed.get(next.key);
    if (candidate && !kept.has(candidate) && same(candidate, next)) {
      kept.add(candidate);
      update(candidate, next, inSvg);
    } else {
      create(next, inSvg);
    }
  }
  for (const old of olds) if (!kept.has(old)) old.node.remove();
  let cursor = parent.firstChild;
  for (const next of nexts) {
    if (next.node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(next.node, cursor);
  }
}

// Unkeyed children pair up in order; one that went away in between is skipped.
function takeSame(unkeyed, next) {
  const index = unkeyed.findIndex((old) => same(old, next));
  return index < 0 ? undefined : unkeyed.splice(0, index + 1)[index];
}

function patchProps(node, olds, nexts) {
  for (const name of Object.keys(olds)) if (!(name in nexts)) setProp(node, name, olds[name], null);
  for (const [name, value] of Object.entries(nexts)) if (olds[name] !== value) setProp(node, name, olds[name], value);
}

function setProp(node, name, old, value) {
  if (name === "key" || name === "ref") return;
  if (name.startsWith("on")) {
    node[name] = value ?? null;
  } else if (name === "style") {
    for (const rule of Object.keys(old ?? {})) if (!(rule in (value ?? {}))) node.style.removeProperty(rule);
    for (const [rule, text] of Object.entries(value ?? {})) node.style.setProperty(rule, text);
  } else if (kProperties.has(name) && value !== null && value !== undefined) {
    node[name] = value;
  } else if (value === null || value === undefined || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

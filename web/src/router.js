// Where the user is, kept in the fragment: `#/runs?status=failed&page=2`. Everything a page shows can be linked to.

export function parseRoute(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const segments = path.split("/").filter(Boolean).map(decodeSegment);
  return { segments, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The link to a page: `href(["runs"], {status: "failed"})`. Empty query values are left out. */
export function href(segments, query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return "#/" + segments.map(encodeURIComponent).join("/") + (text ? `?${text}` : "");
}

/** Goes there; `replace` does not leave an entry in the history (filters, closing a dialog). */
export function navigate(segments, query = {}, { replace = false } = {}) {
  const target = href(segments, query);
  if (target === location.hash) return;
  if (replace) {
    history.replaceState(null, "", target);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = target;
  }
}

function decodeSegment(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a stray % typed by hand
  }
}

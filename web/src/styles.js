// Style sheets beyond the first visit.

/** Loads one, once; `url` as of a link in the page. */
export function addStyles(url) {
  if (document.querySelector(`link[href="${url}"]`)) return null;
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = url;
    link.onload = resolve;
    link.onerror = () => (link.remove(), reject(new Error("no style sheet")));
    document.head.append(link);
  });
}

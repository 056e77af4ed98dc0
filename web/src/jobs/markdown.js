// The README of a template on its page. It makes only elements and text; links lead only to http and https.

import { h } from "../dom.js";

const kInline =
  /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s][^*]*?)\*|\b_([^_]+?)_\b|!?\[([^\]]*)\]\(([^()\s]*)[^()]*\)|<(https?:\/\/[^>\s]+)>/;
const kFence = /^(`{3,}|~{3,})\s*\S*\s*$/;
const kHeading = /^(#{1,6})\s+(.*?)\s*#*$/;
const kItem = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const kRule = /^\s*([-*_])(\s*\1){2,}\s*$/;
const kRow = /^\s*\|(.*)\|\s*$/;
const kDepthMost = 8; // of lists and quotes in one another
const kInlineMost = 5_000; // letters of one paragraph: longer ones are shown as they are, because looking costs squares

/** Its headings begin below those of the page. */
export function markdown(text) {
  const lines = withoutFrontMatter(text.replace(/\r\n?/g, "\n")).split("\n");
  return h("div", { class: "markdown" }, blocks(lines, 0));
}

const withoutFrontMatter = (text) => text.replace(/^---\n[^]*?\n---\n/, "");

function blocks(lines, depth) {
  const all = [];
  for (let at = 0; at < lines.length;) {
    const [made, next] = block(lines, at, depth);
    if (made) all.push(made);
    at = next;
  }
  return all;
}

// Answers the block that begins at a line, and where the next one does.
function block(lines, at, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = kFence.exec(line.trim());
  if (fence) return codeBlock(lines, at + 1, fence[1]);
  const heading = kHeading.exec(line);
  if (heading) return [h(`h${Math.min(heading[1].length + 2, 6)}`, null, inline(heading[2])), at + 1];
  if (kRule.test(line)) return [h("hr"), at + 1];
  if (/^ {4}|^\t/.test(line)) return indentedCode(lines, at);
  if (depth < kDepthMost && line.startsWith(">")) return quote(lines, at, depth);
  if (depth < kDepthMost && kItem.test(line)) return list(lines, at, depth);
  if (kRow.test(line) && /^[\s|:-]+$/.test(lines[at + 1] ?? "x")) return tableBlock(lines, at);
  return paragraph(lines, at);
}

const code = (lines) =>
  h("pre", { tabindex: "0", role: "region", "aria-label": "Code" }, h("code", null, lines.join("\n")));

function codeBlock(lines, begin, fence) {
  let end = begin;
  while (end < lines.length && !lines[end].trim().startsWith(fence)) ++end;
  return [code(lines.slice(begin, end)), end + 1];
}

function indentedCode(lines, begin) {
  const end = endWhile(lines, begin, (line) => /^ {4}|^\t/.test(line));
  return [code(lines.slice(begin, end).map((line) => line.replace(/^ {4}|^\t/, ""))), end];
}

function quote(lines, begin, depth) {
  const end = endWhile(lines, begin, (line) => line.startsWith(">"));
  const inside = lines.slice(begin, end).map((line) => line.replace(/^> ?/, ""));
  return [h("blockquote", null, blocks(inside, depth + 1)), end];
}

// An item is its line and all that is indented below it.
function list(lines, begin, depth) {
  const [, indent, sign] = kItem.exec(lines[begin]);
  const ordered = /\d/.test(sign);
  const items = [];
  let at = begin;
  while (at < lines.length) {
    const item = kItem.exec(lines[at]);
    if (!item || item[1].length > indent.length + 1 || /\d/.test(item[2]) !== ordered) break;
    const width = item[0].length - item[3].length;
    const end = endWhile(lines, at + 1, (line, next) => isWithin(line, next, indent.length + 1));
    const inside = [item[3], ...lines.slice(at + 1, end).map((line) => line.slice(Math.min(width, leading(line))))];
    items.push(h("li", null, tight(blocks(inside, depth + 1))));
    at = end;
  }
  return [h(ordered ? "ol" : "ul", null, items), at];
}

const leading = (line) => line.length - line.trimStart().length;
const isWithin = (line, next, indent) =>
  line.trim() ? leading(line) >= indent : Boolean(next?.trim()) && leading(next) >= indent;
// The only paragraph of an item stands without its margins.
const tight = (made) => (made[0]?.tag === "p" ? [made[0].children, made.slice(1)] : made);

function tableBlock(lines, begin) {
  const end = endWhile(lines, begin, (line) => kRow.test(line));
  const cells = (line) =>
    kRow
      .exec(line)[1]
      .split("|")
      .map((cell) => inline(cell.trim()));
  const row = (tag) => (line) =>
    h(
      "tr",
      null,
      cells(line).map((cell) => h(tag, null, cell)),
    );
  const [head, , ...body] = lines.slice(begin, end);
  const made = h("table", null, h("thead", null, row("th")(head)), h("tbody", null, body.map(row("td"))));
  return [h("div", { class: "markdown-table", tabindex: "0", role: "region", "aria-label": "Table" }, made), end];
}

function paragraph(lines, begin) {
  const ends = (line) => !line.trim() || kHeading.test(line) || kFence.test(line.trim()) || kItem.test(line);
  const end = endWhile(lines, begin + 1, (line) => !ends(line) && !line.startsWith(">"));
  return [h("p", null, inline(lines.slice(begin, end).join("\n").trim())), end];
}

function endWhile(lines, begin, holds) {
  let end = begin;
  while (end < lines.length && holds(lines[end], lines[end + 1])) ++end;
  return end;
}

function inline(text) {
  if (text.length > kInlineMost) return [text];
  const parts = [];
  for (let rest = text; rest;) {
    const found = kInline.exec(rest);
    if (!found) {
      parts.push(rest);
      break;
    }
    parts.push(rest.slice(0, found.index), span(found));
    rest = rest.slice(found.index + found[0].length);
  }
  return parts.filter((part) => part !== "");
}

function span([whole, , codeText, strong, strong2, em, em2, label, target, plain]) {
  if (codeText !== undefined) return h("code", null, codeText.trim());
  if (strong ?? strong2) return h("strong", null, inline(strong ?? strong2));
  if (em ?? em2) return h("em", null, inline(em ?? em2));
  if (plain) return link(plain, plain);
  if (whole.startsWith("!")) return label; // pictures of other hosts are not fetched
  return link(target, inline(label));
}

function link(target, content) {
  if (!/^https?:\/\//i.test(target)) return content;
  return h("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, content);
}

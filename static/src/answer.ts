// The one renderer of answers: the widget and the dashboard, a stream and a stored message all come through here.
//
// What a model wrote is hostile text. So there is no HTML anywhere: a small Markdown is parsed and built with createElement and text
// nodes. HTML in the text stays text, pictures become their alternative text, and a link is a link only where the caller says so.
// Every loop is linear or bounded, because the text is drawn again for each frame of a stream.

/** How an answer becomes part of a page. Pass the same object while one text grows: blocks that did not change are then left alone. */
export interface AnswerOptions {
  /** The mark for "[n]" in the text, or null to leave it as the text it is. */
  cite: (n: number) => HTMLElement | null;
  /** The address to link to, or null for "label (address)" as inert text. Left out: nothing is ever linked. */
  link?: (url: string) => string | null;
}

interface Block {
  kind: "text" | "fence" | "heading" | "rule" | "quote" | "list" | "table";
  lines: string[];
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}#{1,6}[ \t]+/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:[ \t]+|$)/;
const TABLE = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;
const DEPTH = 8;

const drawn = new WeakMap<HTMLElement, { opts: AnswerOptions; blocks: string[] }>();

/** Makes target show text. Calling it again with more text changes only the blocks that differ, so a selection survives a stream. */
export function renderAnswer(target: HTMLElement, text: string, opts: AnswerOptions): void {
  const blocks = split(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0);
  const keys = blocks.map((b) => b.kind + "\n" + b.lines.join("\n"));
  const last = drawn.get(target);
  const old = last && last.opts === opts && last.blocks.length === target.childNodes.length ? last.blocks : [];
  let same = 0;
  while (same < old.length && same < keys.length && old[same] === keys[same]) same++;
  while (target.childNodes.length > same) target.lastChild!.remove();
  for (const block of blocks.slice(same)) {
    const node = build(block, opts, 0);
    if (!node.dir) node.dir = "auto";
    target.append(node);
  }
  drawn.set(target, { opts, blocks: keys });
}

/** An AnswerOptions.link that allows http, https and mailto to the page's own host and what lies below it, and nothing else. */
export function sameSite(url: string): string | null {
  const own = location.hostname.replace(/^www\./, "");
  const below = (host: string) => host === own || host.endsWith("." + own);
  try {
    const u = new URL(url);
    if (u.protocol === "mailto:") {
      const mail = /^[\w.+-]+@([\w.-]+)$/.exec(u.pathname); // one address, and nothing else for the mail program to fill in
      return mail && !u.search && below(mail[1]) ? u.href : null;
    }
    const web = u.protocol === "https:" || u.protocol === "http:";
    return web && !u.username && !u.password && below(u.hostname) ? u.href : null;
  } catch {
    return null;
  }
}

// ---- blocks

function split(lines: string[], depth: number): Block[] {
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; ) {
    if (!lines[i].trim()) {
      i++;
      continue;
    }
    const kind = depth < DEPTH ? kindAt(lines, i) : "text";
    const end = endOf(kind, lines, i);
    blocks.push({ kind, lines: lines.slice(i, end) });
    i = end;
  }
  return blocks;
}

function kindAt(lines: string[], i: number): Block["kind"] {
  const line = lines[i];
  if (FENCE.test(line)) return "fence";
  if (HEADING.test(line)) return "heading";
  if (RULE.test(line)) return "rule";
  if (QUOTE.test(line)) return "quote";
  if (ITEM.test(line)) return "list";
  if (line.includes("|") && i + 1 < lines.length && lines[i + 1].includes("-") && TABLE.test(lines[i + 1].trim())) return "table";
  return "text";
}

function endOf(kind: Block["kind"], lines: string[], i: number): number {
  let end = i + 1;
  switch (kind) {
    case "fence": {
      const mark = FENCE.exec(lines[i])![1];
      while (end < lines.length && !closes(lines[end], mark)) end++;
      return Math.min(end + 1, lines.length);
    }
    case "quote":
      while (end < lines.length && QUOTE.test(lines[end])) end++;
      return end;
    case "table":
      while (end < lines.length && lines[end].includes("|")) end++;
      return end;
    case "list":
      return endOfList(lines, i);
    case "text":
      while (end < lines.length && lines[end].trim() && !interrupts(lines, end)) end++;
      return end;
  }
  return end;
}

function closes(line: string, mark: string): boolean {
  const t = line.trim();
  return t.length >= mark.length && t === mark[0].repeat(t.length);
}

/** A year at the start of a line ("2024. ") must not break a paragraph, so only a bullet or "1." may. */
function interrupts(lines: string[], i: number): boolean {
  const kind = kindAt(lines, i);
  return kind !== "text" && (kind !== "list" || /^ *(?:[-*+]|1[.)])[ \t]+\S/.test(lines[i]));
}

function endOfList(lines: string[], i: number): number {
  const [, indent, mark] = ITEM.exec(lines[i])!;
  const inside = indent.length + 2; // models indent by two, whatever the width of the marker is
  let gap = false;
  let end = i + 1;
  for (let j = i + 1; j < lines.length; j++) {
    if (!lines[j].trim()) {
      gap = true;
      continue;
    }
    const item = ITEM.exec(lines[j]);
    const deep = indentOf(lines[j]) >= inside;
    const sibling = item && !deep && !RULE.test(lines[j]) && item[2].slice(-1) === mark.slice(-1);
    const lazy = !gap && !item && kindAt(lines, j) === "text";
    if (!deep && !sibling && !lazy) break;
    gap = false;
    end = j + 1;
  }
  return end;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function build(b: Block, opts: AnswerOptions, depth: number): HTMLElement {
  switch (b.kind) {
    case "fence":
      return buildFence(b.lines);
    case "heading":
      return fill("h4", b.lines[0].replace(HEADING, "").trim(), opts, depth);
    case "rule":
      return document.createElement("hr");
    case "quote": {
      const node = document.createElement("blockquote");
      const inner = b.lines.map((l) => l.replace(QUOTE, ""));
      for (const child of split(inner, depth + 1)) node.append(build(child, opts, depth + 1));
      return node;
    }
    case "list":
      return buildList(b.lines, opts, depth);
    case "table":
      return buildTable(b.lines, opts, depth);
  }
  return fill("p", b.lines.map((l) => l.trimStart()).join("\n").trimEnd(), opts, depth);
}

function fill(tag: string, text: string, opts: AnswerOptions, depth: number): HTMLElement {
  const node = document.createElement(tag);
  new Inline(node, text, opts, depth).draw();
  return node;
}

function buildFence(lines: string[]): HTMLElement {
  const mark = FENCE.exec(lines[0])![1];
  const open = lines.length < 2 || !closes(lines[lines.length - 1], mark);
  const pre = document.createElement("pre");
  const code = document.createElement("code");
  code.textContent = lines.slice(1, open ? undefined : -1).join("\n");
  pre.dir = "ltr";
  pre.tabIndex = 0; // wide code scrolls, and what scrolls must be reachable with keys
  pre.append(code);
  return pre;
}

function buildList(lines: string[], opts: AnswerOptions, depth: number): HTMLElement {
  const first = ITEM.exec(lines[0])!;
  const ordered = /\d/.test(first[2]);
  const list = document.createElement(ordered ? "ol" : "ul");
  if (ordered) (list as HTMLOListElement).start = parseInt(first[2], 10);
  let item: string[] = [];
  const flush = () => {
    const li = document.createElement("li");
    const blocks = split(item, depth + 1);
    blocks.forEach((child, i) => {
      const node = build(child, opts, depth + 1);
      if (i === 0 && child.kind === "text") li.append(...node.childNodes);
      else li.append(node);
    });
    list.append(li);
  };
  let width = 0;
  lines.forEach((line, i) => {
    const m = ITEM.exec(line);
    if (m && m[1].length < first[1].length + 2) {
      if (i) flush();
      width = m[0].length;
      item = [line.slice(width)];
    } else {
      item.push(line.slice(Math.min(indentOf(line), width)));
    }
  });
  flush();
  return list;
}

function buildTable(lines: string[], opts: AnswerOptions, depth: number): HTMLElement {
  const box = document.createElement("div");
  const table = document.createElement("table");
  const aligns = cells(lines[1]).map((c) => (c.endsWith(":") ? (c.startsWith(":") ? "center" : "end") : ""));
  const row = (line: string, tag: string) => {
    const tr = document.createElement("tr");
    const values = cells(line); // a short row stays short: padding it would let a few bytes of text make millions of cells
    values.slice(0, aligns.length).forEach((value, i) => {
      const cell = fill(tag, value, opts, depth);
      if (aligns[i]) cell.style.textAlign = aligns[i];
      tr.append(cell);
    });
    return tr;
  };
  const head = document.createElement("thead");
  const body = document.createElement("tbody");
  head.append(row(lines[0], "th"));
  for (const line of lines.slice(2)) body.append(row(line, "td"));
  table.append(head, body);
  box.className = "scroll";
  box.tabIndex = 0;
  box.append(table);
  return box;
}

function cells(line: string): string[] {
  const out: string[] = [];
  let cell = "";
  const text = line.trim().replace(/^\|/, "");
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\" && text[i + 1] === "|") cell += text[++i];
    else if (text[i] === "|") {
      out.push(cell.trim());
      cell = "";
    } else cell += text[i];
  }
  if (cell.trim()) out.push(cell.trim());
  return out;
}

// ---- inline

const SPECIAL = /[\\`*_~[!<\n]|https?:\/\//g;
const CITE = /\[(\d{1,3}(?: ?, ?\d{1,3}){0,9})\](?!\()/y;
const LINK = /\[([^[\]]{0,300})\]\( ?<?((?:[^\s<>()]|\([^\s<>()]{0,200}\)){1,2000})>?(?: +"[^"\n]{0,200}")? ?\)/y;
const AUTO = /<(https?:\/\/[^\s<>]{1,2000}|mailto:[^\s<>]{1,300})>/y;
const BREAK = /<br ?\/?>/iy;
const BARE = /https?:\/\/[^\s<>"'`[\]|]{1,2000}/y;

const match = (re: RegExp, text: string, at: number): RegExpExecArray | null => {
  re.lastIndex = at;
  return re.exec(text);
};
const word = (c: string | undefined) => c !== undefined && /[\p{L}\p{N}]/u.test(c);

/** One run of text within a block, scanned once from left to right. A handler moves `at`, or leaves it where its characters mean nothing. */
class Inline {
  private at = 0;
  private plain = "";
  private dead = new Set<string>(); // marks without an end further on; else a row of "*" would cost the square of its length

  constructor(private parent: HTMLElement, private text: string, private opts: AnswerOptions, private depth: number) {}

  draw(): void {
    for (let m; (m = match(SPECIAL, this.text, this.at)); ) {
      this.plain += this.text.slice(this.at, m.index);
      this.at = m.index;
      this.special(m[0]);
      if (this.at === m.index) this.say(m[0], m[0].length);
    }
    this.plain += this.text.slice(this.at);
    if (this.plain) this.parent.append(this.plain);
  }

  private say(s: string, length: number): void {
    this.plain += s;
    this.at += length;
  }

  private put(node: Node, length: number): void {
    if (this.plain) this.parent.append(this.plain);
    this.plain = "";
    this.parent.append(node);
    this.at += length;
  }

  private special(c: string): void {
    const { text, at } = this;
    let m: RegExpExecArray | null;
    switch (c) {
      case "\\":
        if (text[at + 1] === "\n") this.put(document.createElement("br"), 2);
        else if (/[!-/:-@[-`{-~]/.test(text[at + 1] ?? "")) this.say(text[at + 1], 2);
        return;
      case "\n":
        if (!this.plain.endsWith("  ")) return;
        this.plain = this.plain.trimEnd();
        return this.put(document.createElement("br"), 1);
      case "`":
        return this.code();
      case "[":
        if ((m = match(CITE, text, at))) this.cites(m);
        else if ((m = match(LINK, text, at))) this.link(m[1], m[2], m[0].length);
        return;
      case "!":
        if ((m = match(LINK, text, at + 1))) this.say(m[1], m[0].length + 1);
        return;
      case "<":
        if ((m = match(BREAK, text, at))) this.put(document.createElement("br"), m[0].length);
        else if ((m = match(AUTO, text, at))) this.link(m[1], m[1], m[0].length);
        return;
      case "*":
      case "_":
      case "~":
        return this.emphasis(c);
    }
    if (!word(text[at - 1]) && (m = match(BARE, text, at))) this.bare(m[0]);
  }

  private code(): void {
    const { text, at } = this;
    let n = 1;
    while (text[at + n] === "`") n++;
    const mark = "`".repeat(n);
    for (let end = at + n, stop = 0; !this.dead.has(mark); end = stop) {
      end = text.indexOf(mark, end);
      if (end < 0) {
        this.dead.add(mark);
        break;
      }
      for (stop = end + n; text[stop] === "`"; ) stop++;
      if (stop === end + n) {
        const inner = text.slice(at + n, end);
        const node = document.createElement("code");
        node.textContent = inner.startsWith(" ") && inner.endsWith(" ") && inner.trim() ? inner.slice(1, -1) : inner;
        return this.put(node, stop - at);
      }
    }
    this.say(mark, n);
  }

  private cites(m: RegExpExecArray): void {
    const marks = m[1].split(",").map((n) => this.opts.cite(parseInt(n, 10)));
    if (!marks.some((mark) => mark)) return;
    for (const mark of marks) if (mark) this.put(mark, 0);
    this.at += m[0].length;
  }

  private bare(found: string): void {
    let url = found.replace(/[.,;:!?*_~]{1,20}$/, "");
    if (url.endsWith(")") && !url.includes("(")) url = url.replace(/\)[).,;:!?]{0,20}$/, "");
    this.link(url, url, url.length);
  }

  private link(label: string, url: string, length: number): void {
    const href = this.opts.link ? this.opts.link(url) : null;
    if (!href) return this.say(!label || label === url ? url : `${label} (${url})`, length);
    const a = document.createElement("a");
    a.href = href;
    a.target = "_blank";
    a.rel = "noopener noreferrer";
    if (label === url || this.depth >= DEPTH) a.textContent = label;
    else new Inline(a, label || url, { cite: () => null }, this.depth + 1).draw();
    this.put(a, length);
  }

  private emphasis(c: string): void {
    const { text, at } = this;
    let n = 1;
    while (text[at + n] === c) n++;
    const mark = c.repeat(n);
    const opens = n <= 3 && (c !== "~" || n === 2) && /\S/.test(text[at + n] ?? "") && !(c === "_" && word(text[at - 1]));
    if (!opens || this.depth >= DEPTH || this.dead.has(mark)) return this.say(mark, n);
    for (let end = text.indexOf(mark, at + n), stop; end >= 0; end = text.indexOf(mark, stop)) {
      for (stop = end + n; text[stop] === c; ) stop++;
      const ends = /[^\s\\]/.test(text[end - 1]) && !(c === "_" && word(text[stop]));
      // A run of three closes an inner mark and this one ("**a *b***"); this one takes its share from the end of the run.
      if (!ends || (stop !== end + n && stop !== end + 3)) continue;
      const node = document.createElement(c === "~" ? "del" : n === 1 ? "em" : "strong");
      const leaf = n === 3 ? node.appendChild(document.createElement("em")) : node;
      new Inline(leaf, text.slice(at + n, stop - n), this.opts, this.depth + 1).draw();
      return this.put(node, stop - at);
    }
    this.dead.add(mark);
    this.say(mark, n);
  }
}

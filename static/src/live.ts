// Documents that change by themselves. The server sends rows as it would render them; this puts them in their places.

import htmx from "htmx.org";
import { unsaved } from "./inspector";
import { parse, toast } from "./parts";

/** Marks what nobody asked for: it does not take the confirmation that the next page is to show. */
const REFRESH = { "X-Refresh": "true" };

export function startLive(): void {
  const main = () => document.querySelector<HTMLElement>("#main[data-events]");
  let source: EventSource | null = null;
  let again = false;
  const open = () => {
    const at = main();
    if (!at || source) return;
    source = new EventSource(at.dataset.events!);
    source.onopen = () => {
      if (again || document.querySelector("[data-status=queued], [data-status=reading], [data-status=embedding], [data-watch]")) catchUp();
      again = true;
    };
    source.onmessage = (e) => onRow(e.data);
    source.addEventListener("counts", (e) => onCounts(e.data));
  };
  // A browser opens six connections to a server at most: a page that nobody looks at must not hold one.
  const shown = () => {
    if (document.visibilityState === "visible") open();
    else {
      source?.close();
      source = null;
    }
  };
  document.addEventListener("visibilitychange", shown);
  document.addEventListener("toggle", () => stale && refreshList(), true);
  document.addEventListener("htmx:beforeSwap", (e) => {
    const { detail } = e as CustomEvent;
    if (!detail.requestConfig.headers["X-Refresh"] || !menuOpen()) return;
    detail.shouldSwap = false; // somebody opened a menu while it was on its way
    stale = true;
  });
  shown();
}

/** What changed while nobody listened: between the page and the stream, or while the page was hidden. */
function catchUp(): void {
  const watch = document.querySelector("#main[data-watch]");
  if (watch && unsaved()) return;
  if (watch) void htmx.ajax("get", location.href, { target: "#main", select: "#main", swap: "outerHTML show:none", headers: REFRESH });
  else refreshList();
}

let stale = false;
let loading = false;
let missed = false;

const menuOpen = () => document.querySelector("#documents details[open]") !== null;

/** Loads the list again as it is filtered now; later, while a menu of it is open. */
export function refreshList(): void {
  if (!document.querySelector("#document-search")) return void refreshFirst();
  stale = menuOpen();
  if (stale) return;
  // htmx would keep a second request waiting, with the list of now as its target; by then the first has replaced that.
  missed = loading;
  if (loading) return;
  loading = true;
  const loaded = htmx.ajax("get", location.pathname + location.search, {
    target: "#documents",
    select: "#documents",
    selectOOB: "#document-filter",
    headers: REFRESH,
    swap: "outerHTML show:none",
  } as Parameters<typeof htmx.ajax>[2]);
  const done = () => {
    loading = false;
    if (missed) refreshList();
  };
  void loaded.then(done, done);
}

/** The page of a tenant without documents is another one: it is fetched as a whole, and the uploads go on in it. */
async function refreshFirst(): Promise<void> {
  const main = document.querySelector("#main[data-empty]");
  if (!main) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html", ...REFRESH } });
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#main:not([data-empty])");
  if (!next || !main.isConnected) return;
  const [list, place] = [main.querySelector("#uploads"), next.querySelector("#uploads")];
  if (list && place) place.replaceWith(list);
  next.querySelector("[data-uploads]")?.toggleAttribute("hidden", !list?.childElementCount);
  main.replaceWith(next);
  htmx.process(next);
}

function onRow(html: string): void {
  const row = parse(html).querySelector<HTMLElement>("tr");
  if (!row) return;
  const main = document.querySelector<HTMLElement>("#main[data-watch]");
  if (main) {
    if (main.dataset.watch === row.id) onWatched(main, row);
    return;
  }
  const old = document.getElementById(row.id);
  if (!old) return;
  const menu = old.querySelector<HTMLDetailsElement>("details");
  if (menu?.open) row.querySelector("details")!.open = true;
  if (old.dataset.status === row.dataset.status) return patch(old, row);
  const focused = old.contains(document.activeElement);
  old.replaceWith(row);
  htmx.process(row);
  if (focused) row.querySelector("summary")!.focus();
}

/** Replaces only the cells that read differently, so that a button that somebody is about to press stays where it is. */
function patch(old: HTMLElement, row: HTMLElement): void {
  const [from, to] = [[...row.children], [...old.children]];
  for (const [i, cell] of from.entries()) {
    if (to[i].innerHTML === cell.innerHTML) continue;
    to[i].replaceWith(cell);
    htmx.process(cell);
  }
}

/** The page of a document that is not ready: it moves on with its stages, and becomes the inspector at the end. */
function onWatched(main: HTMLElement, row: HTMLElement): void {
  if (row.dataset.status === "ready" || row.dataset.status === "failed") {
    if (!unsaved()) return reload(row.dataset.status);
    return toast("This document was read anew. Copy the words you typed, reload the page, and put them into the new chunk.", true);
  }
  const [from, to] = [row.querySelector("[data-stage]"), main.querySelector("[data-stage]")];
  const state = from?.querySelector(".status")?.cloneNode(true);
  if (from && to) to.replaceChildren(...from.childNodes);
  if (state) main.querySelector(":scope > p .status")?.replaceWith(state);
}

/** Chunks are others after each reading: one that was selected is not looked for among them. */
function reload(status: string): void {
  const url = new URL(location.href);
  if (status === "ready") url.searchParams.delete("chunk");
  url.hash = "";
  history.replaceState(null, "", url);
  location.reload();
}

function onCounts(html: string): void {
  const all = () => document.getElementById("count-")?.textContent;
  const before = all();
  for (const part of [...parse(html).children]) {
    const old = document.getElementById(part.id);
    if (old && old.innerHTML !== part.innerHTML) old.replaceWith(part);
  }
  // A document more or less changes which rows stand on the page; one with another status may belong into another filter.
  if (before !== all() || new URLSearchParams(location.search).has("status") || !before) refreshList();
}

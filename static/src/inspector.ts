// The inspector of a document: a chunk and its passage on the page are selected together, and chunks are edited where they stand.

import htmx from "htmx.org";
import { announce, toast } from "./parts";

export function startInspector(): void {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("input", (e) => countTokens(e.target as HTMLTextAreaElement));
  document.addEventListener("error", (e) => brokenPicture(e.target), true); // neither event rises to the document
  document.addEventListener("load", (e) => (e.target as Element).matches?.("[data-picture] img") && showMark(), true);
  document.addEventListener("htmx:configRequest", keepTheOther);
  document.addEventListener("htmx:beforeSwap", showConflict);
  document.addEventListener("htmx:confirm", askFirst);
  document.addEventListener("htmx:afterSwap", (e) => {
    const said = (e.target as Element).querySelector?.("[data-toast]");
    if (said) toast(said.getAttribute("data-toast")!);
  });
  window.addEventListener("beforeunload", (e) => unsaved() && e.preventDefault());
}

/** Brings the page in line with what was swapped in. */
export function freshInspector(): void {
  const source = document.getElementById("source");
  if (!source) return;
  markChunk(source.dataset.chunk ?? "");
  for (const note of document.querySelectorAll("[data-tokens]:empty")) countTokens(note.closest("form")!.querySelector("textarea")!);
  for (const image of source.querySelectorAll("img")) if (image.complete && !image.naturalWidth) brokenPicture(image);
  if (source.hasAttribute("data-shown")) return;
  source.setAttribute("data-shown", "");
  showMark();
}

/** True while somebody has typed into a chunk and not saved it. */
export function unsaved(within: ParentNode = document): boolean {
  return [...within.querySelectorAll<HTMLTextAreaElement>("[data-chunk-form] textarea")].some((field) => field.value !== field.defaultValue);
}

function showMark(): void {
  const pane = document.querySelector<HTMLElement>("[data-source] [data-scroll]");
  const mark = pane?.querySelector(".passage[data-on] rect, mark");
  if (!pane || !mark) return;
  const [at, box] = [mark.getBoundingClientRect(), pane.getBoundingClientRect()];
  pane.scrollTop += at.top - box.top - pane.clientHeight / 4;
  if (pane.scrollWidth > pane.clientWidth) pane.scrollLeft += at.left - box.left - 20;
}

function brokenPicture(target: EventTarget | null): void {
  const picture = target instanceof HTMLImageElement && target.closest("[data-picture]");
  if (!picture) return;
  picture.toggleAttribute("hidden", true);
  picture.parentElement!.querySelector("[data-instead]")!.removeAttribute("hidden");
  showMark();
}

function onClick(e: MouseEvent): void {
  const link = (e.target as Element).closest("a[data-select]");
  if (!link || e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
  const id = link.getAttribute("data-select")!;
  const chunk = document.getElementById("chunk-" + id);
  if (!chunk) return; // on another page of the list: the link leads there
  e.preventDefault();
  void select(id, link.getAttribute("href")!);
  if (chunk.contains(link)) return;
  chunk.scrollIntoView({ block: "center" });
  chunk.querySelector<HTMLElement>("a[data-select]")!.focus({ preventScroll: true });
}

/** Selects a chunk in the list and on the page, which is fetched when it is another one. */
async function select(id: string, href: string): Promise<void> {
  const url = new URL(href, location.href);
  const here = document.querySelector(`.passage[data-select="${id}"]`);
  for (const name of [...ofList, "as", "zoom", ...(here ? ["source"] : [])]) copyParam(url.searchParams, name);
  url.hash = "";
  history.replaceState(history.state, "", url);
  markChunk(id);
  const source = document.getElementById("source")!;
  source.dataset.chunk = id;
  const placed = document.querySelector(`#chunk-${id} .when-on`);
  if (!placed) return announce("Selected. It stands nowhere in the document.");
  if (here) {
    showMark();
    return announce("Selected, and marked on the page.");
  }
  await htmx.ajax("get", url.pathname + url.search, { target: "#source", select: "#source", swap: "outerHTML show:none" });
  announce("Selected. " + document.getElementById("source")!.getAttribute("aria-label") + " is shown.");
}

function markChunk(id: string): void {
  for (const node of document.querySelectorAll("#chunks article.chunk, .passage")) {
    const on = !!id && (node.id === "chunk-" + id || node.getAttribute("data-select") === id);
    node.toggleAttribute("data-on", on);
    const mark = node.matches("article") ? node.querySelector("a[data-select]") : node;
    mark?.toggleAttribute("data-on", on);
    if (on) mark?.setAttribute("aria-current", "true");
    else mark?.removeAttribute("aria-current");
  }
}

const ofList = ["q", "only", "page"];
const ofSource = ["chunk", "source", "as", "zoom"];

/** A link that changes one of the two panes was rendered before the other one changed: what that shows now is kept. */
function keepTheOther(e: Event): void {
  const { detail } = e as CustomEvent;
  const target = (detail.target as Element | null)?.id ?? "";
  const besideSource = detail.elt.closest("#source") ? [...ofList, "chunk"] : ofList;
  const kept = ({ source: besideSource, chunks: ofSource, inspector: ["as", "zoom"] } as Record<string, string[]>)[target];
  if (!kept || detail.verb !== "get") return;
  const url = new URL(detail.path, location.href);
  for (const name of kept) {
    detail.formData.delete(name);
    copyParam(url.searchParams, name);
  }
  detail.path = url.pathname + url.search;
}

function copyParam(to: URLSearchParams, name: string): void {
  const value = new URLSearchParams(location.search).get(name);
  if (value) to.set(name, value);
  else to.delete(name);
}

/** What somebody else changed meanwhile comes back as the form with both texts. Every other conflict is a message. */
function showConflict(e: Event): void {
  const { detail } = e as CustomEvent;
  if (detail.xhr.status !== 409 || !(detail.target as Element).matches("article.chunk")) return;
  detail.shouldSwap = true;
  detail.isError = false;
}

/** Words that were typed are not thrown away by a step to other chunks. */
function askFirst(e: Event): void {
  const { detail } = e as CustomEvent;
  if (!detail.target || !unsaved(detail.target)) return;
  const form = (detail.elt as Element).closest("[data-chunk-form]");
  if (form) return; // it saves, or cancels
  e.preventDefault();
  if (window.confirm("You have not saved what you typed into a chunk. Leave it?")) detail.issueRequest(true);
}

function onKey(e: KeyboardEvent): void {
  const form = (e.target as Element).closest?.<HTMLFormElement>("[data-chunk-form]");
  if (!form || e.isComposing) return;
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    form.requestSubmit();
  } else if (e.key === "Escape") {
    e.preventDefault();
    form.querySelector<HTMLElement>("[data-cancel-edit]")!.click();
  }
}

function countTokens(field: HTMLTextAreaElement): void {
  const note = field.closest?.("[data-chunk-form]")?.querySelector<HTMLElement>("[data-tokens]");
  if (!note) return;
  const [tokens, most] = [estimateTokens(field.value), Number(note.dataset.tokens)];
  const figure = (n: number) => n.toLocaleString("en-US");
  const word = (n: number) => (n === 1 ? "token" : "tokens");
  note.textContent = most ? `About ${figure(tokens)} of ${figure(most)} ${word(most)}. ` : `About ${figure(tokens)} ${word(tokens)}. `;
}

/** The server's estimate (llm.EstimateTokens), which is what it notes of an edited chunk. */
export function estimateTokens(text: string): number {
  let quarters = 0;
  for (const letter of text.trim()) {
    const point = letter.codePointAt(0)!;
    quarters += point < 0x80 ? 1 : point < 0x3000 ? 2 : 4;
  }
  return Math.floor((quarters + 3) / 4);
}

// One question with its answer, drawn from its state. The same functions draw a stream and a stored conversation.

import { renderAnswer, sameSite, type AnswerOptions } from "../answer";
import { newId, type Message, type Refusal, type Source } from "./api";
import { button, h, icon } from "./dom";
import { words } from "./words";

export interface Turn {
  id: string;
  question: string;
  /** searching and writing end; stopped is the visitor's doing, interrupted the server's, failed has a problem. */
  state: "searching" | "writing" | "complete" | "fallback" | "interrupted" | "stopped" | "failed";
  text: string;
  sources: Source[];
  model: string;
  problem: Refusal | null;
  root: HTMLElement;
  answer: HTMLElement;
  below: HTMLElement;
  opts: AnswerOptions;
}

export interface TurnActions {
  open(source: Source, from: HTMLElement): void;
  retry(turn: Turn): void;
  rephrase(turn: Turn): void;
}

export function newTurn(id: string, question: string): Turn {
  const answer = h("div", "a");
  const below = h("div", "below");
  const bubble = h("p", "", question);
  bubble.dir = "auto";
  const root = h("div", "turn", h("div", "q", h("span", "sr", words.asked), bubble), answer, below);
  return { id, question, state: "searching", text: "", sources: [], model: "", problem: null, root, answer, below, opts: { cite: mark } };
}

export function finish(turn: Turn, m: Message): void {
  turn.state = m.status;
  turn.text = m.text;
  turn.sources = m.sources;
  turn.model = m.model;
  turn.problem = null;
}

export function fail(turn: Turn, e: Refusal): void {
  turn.state = e.code === "stopped" ? "stopped" : "failed";
  turn.problem = e;
}

/** Makes the turn ready to be asked again. A stored, incomplete answer belongs to its id for good, so that takes a new one. */
export function rewind(turn: Turn): void {
  if (turn.state !== "failed" || turn.problem?.code === "conflict") turn.id = newId();
  turn.state = "searching";
  turn.text = "";
  turn.problem = null;
}

export function live(turn: Turn): boolean {
  return turn.state === "searching" || turn.state === "writing";
}

/** Draws the text alone: all that changes between two pieces of a stream. */
export function drawText(turn: Turn): void {
  renderAnswer(turn.answer, turn.text, turn.opts);
}

/** Draws the whole turn after its state changed. */
export function drawTurn(turn: Turn, on: TurnActions): void {
  const streaming = live(turn);
  const { answer, below, sources } = turn;
  turn.opts = streaming
    ? { cite: mark, link: sameSite }
    : {
        cite(n) {
          const source = sources.find((s) => s.n === n);
          if (!source) return turn.state === "complete" ? null : mark(n); // of a cut answer the sources may be missing
          const b = button("cite", words.source(n, source.title), () => on.open(source, b), `${n}`);
          return b;
        },
        link: sameSite,
      };
  drawText(turn);
  answer.className = streaming ? "a live" : turn.state === "fallback" ? "a none" : "a";
  answer.setAttribute("aria-busy", `${streaming}`);
  below.replaceChildren();
  if (streaming) below.append(progress(turn.state === "searching" ? words.searching : words.writing));
  if (!streaming && turn.state !== "failed" && sources.length) below.append(sourceList(turn, on));
  const trouble = problem(turn);
  if (trouble) below.append(notice(trouble, words.retry, () => on.retry(turn), turn.problem?.retryAfter));
  if (turn.state === "fallback") below.append(button("quiet", "", () => on.rephrase(turn), words.rephrase));
  if (turn.model && !streaming && turn.state !== "failed") below.append(h("p", "by", words.answeredBy(turn.model)));
}

function problem(turn: Turn): string | null {
  if (turn.state === "failed") return turn.problem!.message;
  if (turn.state === "stopped") return words.stopped;
  if (turn.state === "interrupted") return words.interrupted;
  if (turn.state === "complete" && !turn.text.trim()) return words.nothing;
  return null;
}

/** The turn in words for a screen reader: without the numbers of the sources, with their count. */
export function spoken(turn: Turn): string {
  const copy = turn.answer.cloneNode(true) as HTMLElement;
  for (const m of copy.querySelectorAll(".cite")) m.remove();
  for (const block of copy.querySelectorAll("p, h4, li, th, td, pre, br")) block.before(" "); // else the words at their edges are one
  return [copy.textContent, problem(turn), turn.sources.length ? words.counted(turn.sources.length) : ""].filter((s) => s).join(" ");
}

/** While the answer is written its sources are not known yet: the number is only a number. */
function mark(n: number): HTMLElement {
  return h("span", "cite", `${n}`);
}

function sourceList(turn: Turn, on: TurnActions): HTMLElement {
  const list = h("ol", "src");
  list.setAttribute("aria-label", words.sources);
  for (const s of turn.sources) {
    const title = h("bdi", "t", s.title);
    const row = button("", "", () => on.open(s, row), mark(s.n), title, h("span", "p", s.page ? words.page(s.page) : ""));
    list.append(h("li", "", row));
  }
  return list;
}

/** A line that says that something goes on. */
export function progress(sentence: string): HTMLElement {
  return h("p", "busy", h("span", "spin"), sentence);
}

/** A sentence with one way out, which opens after wait seconds. */
export function notice(sentence: string, label: string, act: () => void, wait = 0): HTMLElement {
  const b = button("act", "", act, label);
  const box = h("div", "note", icon("note"), h("p", "", sentence), b);
  if (wait > 0) countDown(b, label, Date.now() + wait * 1000);
  return box;
}

function countDown(b: HTMLButtonElement, label: string, until: number): void {
  const left = Math.ceil((until - Date.now()) / 1000);
  b.disabled = left > 0;
  b.textContent = left > 0 ? words.retryIn(left > 90 ? words.minutes(Math.ceil(left / 60)) : words.seconds(left)) : label;
  if (left > 0) setTimeout(() => countDown(b, label, until), 500);
}

// The playground: asks, shows the answer as it is written, and beside it what the server says about how it was found.

import htmx from "htmx.org";
import { renderAnswer, type AnswerOptions } from "./answer";
import { clone, parse, signedOut } from "./parts";
import { eventReader } from "./widget/sse";

/** Draws the Markdown of all answers that came with the page. */
export function drawAnswers(): void {
  for (const answer of document.querySelectorAll<HTMLElement>("[data-answer]:not([data-drawn])")) {
    draw(answer, answer.textContent ?? "", marks(answer.closest<HTMLElement>("[data-turn]")!));
  }
}

function draw(answer: HTMLElement, text: string, options: AnswerOptions): void {
  if (!answer.hasAttribute("data-drawn")) answer.textContent = "";
  answer.setAttribute("data-drawn", "");
  renderAnswer(answer, text, options);
}

/** Citations lead to their chunks: by the answer's own list of sources, and until that is there by the passages beside it. */
function marks(turn: HTMLElement): AnswerOptions {
  return {
    cite: (n) => {
      const at = `[data-n="${n}"]`;
      const source = turn.querySelector(`[data-foot] ${at}`) ?? (turn.dataset.live ? document.querySelector(`#passages ${at}`) : null);
      if (!source) return null;
      const kept = source instanceof HTMLAnchorElement;
      const open = kept && source.hasAttribute("href"); // support has no page of a chunk
      const mark = document.createElement(open ? "a" : "span");
      mark.className = "cite";
      if (open) (mark as HTMLAnchorElement).href = source.href;
      else if (!kept) mark.dataset.s = "none"; // deleted since
      mark.textContent = String(n);
      mark.setAttribute("aria-label", `Source ${n}`);
      return mark;
    },
  };
}

const stages: Record<string, string> = {
  searching: "Searching your documents",
  writing: "Writing",
};

let asking: AbortController | null = null;

export function startPlayground(): void {
  const form = document.querySelector<HTMLFormElement>("#ask");
  if (!form) return;
  const field = form.querySelector<HTMLTextAreaElement>("textarea")!;
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const question = field.value.trim();
    if (!question || asking) return;
    field.value = "";
    void ask(form, question);
  });
  field.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    form.requestSubmit();
  });
  document.addEventListener("click", (e) => {
    const target = e.target as Element;
    if (target.closest("[data-stop]")) asking?.abort();
    const offered = target.closest<HTMLElement>("[data-ask]");
    if (!offered) return;
    field.value = offered.textContent!.trim();
    form.requestSubmit();
  });
  const turns = document.getElementById("turns")!;
  turns.scrollTop = turns.scrollHeight;
  if (matchMedia("(pointer: fine)").matches) field.focus({ preventScroll: true });
}

async function ask(form: HTMLFormElement, question: string): Promise<void> {
  const body = new URLSearchParams({ question });
  asking = new AbortController();
  const turn = new Turn(question);
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/event-stream" }, signal: asking.signal });
    if (signedOut(response.status)) return;
    if (!response.ok || !response.body) throw await refusal(response);
    const read = eventReader((event, data) => (event === "retrieval" ? turn.found(data) : turn.on(event, JSON.parse(data))));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) read(part.value);
    turn.end();
  } catch (e) {
    if (asking.signal.aborted) turn.stopped();
    else turn.fail(e instanceof Refusal ? e.message : "The connection broke off. Ask again.");
    if (e instanceof Refusal) giveBack(form, question);
  } finally {
    asking = null;
  }
}

/** Puts a question that was not taken into the field again, to be mended, unless something else is being written there. */
function giveBack(form: HTMLFormElement, question: string): void {
  const field = form.querySelector<HTMLTextAreaElement>("textarea")!;
  if (!field.value.trim()) field.value = question;
}

class Refusal extends Error {}

async function refusal(response: Response): Promise<Refusal> {
  try {
    return new Refusal((await response.json()).message);
  } catch {
    return new Refusal("The server did not answer as it should. Ask again.");
  }
}

type Data = { [key: string]: unknown };

/** A question and its answer on their way. */
class Turn {
  private node = clone("turn-answer");
  private answer = this.node.querySelector<HTMLElement>("[data-answer]")!;
  private foot = this.node.querySelector<HTMLElement>("[data-foot]")!;
  private options = marks(this.node);
  private text = "";
  private drawing = 0;
  private over = false;

  constructor(question: string) {
    const said = clone("turn-question");
    said.textContent = question;
    document.getElementById("first")?.remove();
    document.getElementById("turns")!.append(said, this.node);
    this.node.dataset.live = "true";
    this.node.setAttribute("aria-busy", "true");
    this.answer.setAttribute("data-drawn", "");
    document.querySelector("[data-start-over]")?.removeAttribute("hidden");
    document.getElementById("passages")!.setAttribute("aria-busy", "true");
    document.getElementById("answer-meta")!.replaceChildren();
    this.toEnd(true);
  }

  found(html: string): void {
    const passages = document.getElementById("passages")!;
    passages.replaceChildren(parse(html));
    passages.setAttribute("aria-busy", "false");
  }

  on(event: string, data: Data): void {
    switch (event) {
      case "status":
        this.node.querySelector("[data-stage-word]")!.textContent = stages[String(data.stage)] ?? "Working";
        return;
      case "delta":
        this.text += String(data.text);
        this.drawing ||= requestAnimationFrame(() => this.show());
        return;
      case "done":
        return this.done(data);
      case "error":
        return this.fail(String(data.message));
    }
  }

  private show(): void {
    this.drawing = 0;
    const follow = this.atEnd();
    this.answer.toggleAttribute("data-streaming", !this.over);
    draw(this.answer, this.text, this.options);
    if (follow) this.toEnd();
  }

  private done(data: Data): void {
    const parts = parse(String(data.html));
    const into = (name: string) => [...(parts.querySelector(`[data-into="${name}"]`)?.childNodes ?? [])];
    this.foot.replaceChildren(...into("foot"));
    document.getElementById("answer-meta")!.replaceChildren(...into("answer-meta"));
    htmx.process(this.foot);
    this.markCited();
    this.text = String(data.text ?? this.text);
    this.options = marks(this.node); // the sources are known now, so every mark is drawn again
    this.finish();
  }

  /** The passages that the answer cites get the evidence's colour. */
  private markCited(): void {
    for (const cited of this.foot.querySelectorAll<HTMLElement>("a[data-chunk]")) {
      const passage = document.querySelector(`#passages li[data-chunk="${cited.dataset.chunk}"]`);
      passage?.querySelector(".cite")?.setAttribute("data-on", "");
      const text = passage?.querySelector("[data-excerpt]");
      if (!text || text.querySelector("mark")) continue;
      const mark = document.createElement("mark");
      mark.append(...text.childNodes);
      text.append(mark);
    }
  }

  /** The stream ended. Without "done" or "error" before, it was cut. */
  end(): void {
    if (!this.over) this.fail("The connection broke off before the answer was complete. What was said until then is kept.");
  }

  stopped(): void {
    if (this.over) return;
    this.foot.replaceChildren(document.importNode(document.querySelector<HTMLTemplateElement>("#turn-stopped")!.content, true));
    this.finish();
  }

  fail(message: string): void {
    if (this.over) return;
    const box = this.node.querySelector<HTMLElement>("[data-problem]")!;
    box.querySelector("[data-problem-text]")!.textContent = message;
    box.hidden = false;
    this.finish();
  }

  private finish(): void {
    this.over = true;
    cancelAnimationFrame(this.drawing);
    this.node.querySelector("[data-progress]")?.remove();
    this.node.removeAttribute("aria-busy");
    document.getElementById("passages")!.setAttribute("aria-busy", "false");
    this.show();
    delete this.node.dataset.live;
  }

  // On a wide screen the turns scroll by themselves, on a phone the page does.
  private scroller(): Element {
    const turns = document.getElementById("turns")!;
    return getComputedStyle(turns).overflowY === "auto" ? turns : document.scrollingElement!;
  }

  private atEnd(): boolean {
    const s = this.scroller();
    if (s.id) return s.scrollHeight - s.scrollTop - s.clientHeight < 80;
    return this.node.getBoundingClientRect().bottom < innerHeight + 80;
  }

  private toEnd(force = false): void {
    const s = this.scroller();
    if (s.id) s.scrollTop = s.scrollHeight;
    else if (force) this.node.previousElementSibling!.scrollIntoView({ block: "start" });
  }
}

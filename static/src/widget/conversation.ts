// The conversation: its turns, what is under way, and the scrolling list that shows them.

import { newId, Refusal, type Api, type Config, type Message, type Source } from "./api";
import { button, h } from "./dom";
import type { Store } from "./store";
import { drawText, drawTurn, fail, finish, live, newTurn, notice, progress, rewind, spoken, type Turn } from "./turn";
import { words } from "./words";

const FOLLOW_UPS = 2;
const RESUME = 60; // seconds to wait for an answer that was being written when the page was left

/** What the conversation needs of the panel around it. */
export interface Surroundings {
  /** Something began or ended. */
  changed(): void;
  say(sentence: string): void;
  rest(): void; // puts the focus where the visitor goes on from
  rephrase(question: string): void;
  open(source: Source, from: HTMLElement): void;
}

export class Conversation {
  readonly root = h("div", "log");
  private turns: Turn[] = [];
  private loaded = false;
  private loading = false;
  private running: AbortController | null = null;
  private away = false; // the reader has scrolled up
  private shownTo = 0; // where follow left the scroll position

  constructor(private config: Config, private api: Api, private store: Store, private around: Surroundings) {
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "log");
    this.root.setAttribute("aria-live", "off"); // the panel's status line speaks, in whole answers
    this.root.setAttribute("aria-label", words.conversation);
    this.root.addEventListener("scroll", () => (this.away = this.root.scrollTop < this.shownTo - 8));
  }

  get state(): "ready" | "loading" | "running" {
    return this.running ? "running" : this.loading ? "loading" : "ready";
  }

  get empty(): boolean {
    return !this.turns.length || this.fresh;
  }

  /** The visitor started over, and the server does not know yet. */
  private get fresh(): boolean {
    return !!this.store.get("fresh");
  }

  private get last(): Turn | undefined {
    return this.turns[this.turns.length - 1];
  }

  /** Fetches what was said before, once. */
  async load(): Promise<void> {
    if (this.loaded || this.loading) return;
    this.loading = true;
    if (this.store.get("token")) this.root.replaceChildren(progress(words.loading));
    this.around.changed();
    try {
      this.turns = turnsOf(await this.api.history());
      this.loaded = true;
      this.resume();
      this.redraw();
    } catch {
      this.root.replaceChildren(notice(words.noHistory, words.retry, () => (this.around.rest(), this.load())));
      this.around.say(words.noHistory);
    }
    this.loading = false;
    this.around.changed();
  }

  ask(question: string): void {
    if (this.state !== "ready") return;
    if (this.fresh) this.turns = [];
    const turn = newTurn(newId(), question);
    this.turns.push(turn);
    if (this.turns.length === 1) this.root.replaceChildren();
    this.root.append(turn.root);
    void this.run(turn);
  }

  stop(): void {
    this.running?.abort();
  }

  /** The server hears of it with the next question; until then it can be undone, also after a reload. */
  startOver(): void {
    this.stop();
    this.store.set("fresh", "1");
    this.store.set("sent", null);
    this.redraw();
    this.around.changed();
    this.around.say(words.startedOver);
    this.around.rest();
  }

  private undo(): void {
    this.store.set("fresh", null);
    this.redraw();
    this.around.changed();
    this.around.rest();
  }

  /** Takes up what was under way when the page was left: a question that never arrived, or an answer still being written. */
  private resume(): void {
    const [id, ...question] = (this.store.get("sent") ?? "").split("\n");
    if (id && !this.turns.some((t) => t.id === id)) {
      const turn = newTurn(id, question.join("\n"));
      fail(turn, new Refusal("lost", words.unsent));
      this.turns.push(turn);
    }
    const { last } = this;
    for (const turn of this.turns) if (live(turn) && turn !== last) turn.state = "interrupted";
    if (!last || !live(last) || this.fresh) return;
    void this.settle(last, async (signal) => {
      const found = await this.api.answerTo(last.id, signal, RESUME);
      if (found) return found;
      throw new Refusal(signal.aborted ? "stopped" : "lost", words.interrupted);
    });
  }

  private run(turn: Turn): Promise<void> {
    let frame = 0;
    const stage = (name: string) => {
      if (name !== "writing" || turn.state === "writing") return;
      turn.state = "writing";
      this.drawTurn(turn);
    };
    const text = (whole: string) => {
      turn.text = whole;
      stage("writing");
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        if (live(turn)) drawText(turn);
        this.follow();
      });
    };
    this.store.set("sent", `${turn.id}\n${turn.question}`);
    return this.settle(turn, async (signal) => {
      if (this.fresh) {
        await this.api.startOver();
        this.store.set("fresh", null);
      }
      return this.api.ask(turn.id, turn.question, { stage, text }, signal);
    });
  }

  /** Runs work until the turn has an end, whichever it is, and shows that. */
  private async settle(turn: Turn, work: (signal: AbortSignal) => Promise<Message>): Promise<void> {
    const mine = (this.running = new AbortController());
    this.drawTurn(turn);
    this.offerMore();
    this.around.changed();
    this.around.say(words.searching);
    this.follow(true);
    try {
      finish(turn, await work(mine.signal));
    } catch (e) {
      fail(turn, e instanceof Refusal ? e : new Refusal("failed", words.failed));
    }
    if (this.running === mine) this.running = null;
    if (turn.state !== "failed") this.store.set("sent", null);
    this.drawTurn(turn);
    this.offerMore();
    this.around.changed();
    if (turn.root.isConnected) this.around.say(spoken(turn));
    this.follow();
  }

  // ---- drawing

  private drawTurn(turn: Turn): void {
    drawTurn(turn, {
      open: this.around.open,
      rephrase: (t) => this.around.rephrase(t.question),
      retry: (t) => {
        if (this.state !== "ready") return;
        rewind(t);
        this.around.rest();
        void this.run(t);
      },
    });
  }

  private redraw(): void {
    const shown = this.fresh ? [] : this.turns;
    for (const turn of shown) this.drawTurn(turn);
    this.root.replaceChildren(...shown.map((t) => t.root));
    if (!shown.length) {
      const { greeting, suggestions } = this.config;
      const title = h("h2", greeting.length > 90 ? "long" : "", greeting);
      title.dir = "auto";
      this.root.append(title, this.suggest(suggestions));
    }
    if (this.fresh && this.turns.length) this.root.append(notice(words.startedOver, words.undo, () => this.undo()));
    this.offerMore();
    this.follow(true);
  }

  private suggest(questions: string[]): HTMLElement {
    const list = h("div", "sug");
    for (const q of questions) {
      const b = button("", "", () => (this.around.rest(), this.ask(q)), q);
      b.dir = "auto";
      list.append(b);
    }
    return list;
  }

  /** Below a finished answer, the suggested questions that were not asked yet. */
  private offerMore(): void {
    for (const old of this.root.querySelectorAll(".sug.more")) old.remove();
    const { last } = this;
    if (this.fresh || !last || live(last) || last.state === "failed") return;
    const open = this.config.suggestions.filter((s) => !this.turns.some((t) => t.question === s)).slice(0, FOLLOW_UPS);
    if (!open.length) return;
    const more = this.suggest(open);
    more.classList.add("more");
    this.root.append(more);
  }

  /** Keeps the newest text in view until its question has reached the top, unless the reader has scrolled away. */
  private follow(jump = false): void {
    const { root, last } = this;
    const end = root.scrollHeight - root.clientHeight;
    const top = last?.root.isConnected ? last.root.offsetTop - 12 : end;
    if (jump || !this.away) root.scrollTop = Math.min(end, Math.max(0, top));
    this.shownTo = root.scrollTop;
  }
}

function turnsOf(messages: Message[]): Turn[] {
  const turns: Turn[] = [];
  for (const m of messages) {
    if (m.role === "visitor") turns.push(newTurn(m.id, m.text));
    const turn = m.role === "bot" && (turns.find((t) => t.id === m.replyTo) ?? turns[turns.length - 1]);
    if (turn) finish(turn, m);
  }
  return turns;
}

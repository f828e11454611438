// The button, the panel and the conversation in it.

import { newId, Refusal, type Api, type Config, type Source } from "./api";
import { button, h, icon } from "./dom";
import type { Store } from "./store";
import { drawText, drawTurn, fail, finish, live, newTurn, notice, progress, rewind, spoken, type Turn } from "./turn";
import { words } from "./words";

const LIMIT = 2000; // characters in a question, as the server counts them: code points
const NEAR = 200; // so many before the limit the counter appears
const FOLLOW_UPS = 2;
const RESUME = 60; // seconds to wait for an answer that was being written when the page was left
const PHONE = "(max-width: 480px), (max-height: 440px)"; // as in widget.css

export function mount(root: ShadowRoot, config: Config, api: Api, store: Store): void {
  let turns: Turn[] = [];
  let loaded = false;
  let loading = false;
  let running: AbortController | null = null;
  let cameFrom: HTMLElement | null = null; // the mark whose passage is shown

  // ---- elements

  const launcher = button("launch", "", () => open(true), icon("ask"), words.launch);
  const title = h("p", "title", config.name);
  const reset = button("icon", words.startOver, startOver, icon("again"));
  const close = button("icon", words.close, shut, icon("close"), icon("down"));
  const log = h("div", "log");
  const passage = h("div", "passage");
  const box = document.createElement("textarea");
  const send = button("send", words.send, () => (running ? stop() : submit()), icon("send"), icon("stop"));
  const form = h("div", "form", box, send);
  const count = h("p", "count");
  const status = h("div", "sr");
  const panel = h(
    "section", "panel",
    h("header", "head", h("span", "mark", [...config.name.trim()][0]?.toUpperCase() ?? "?"), h("div", "", title, h("p", "sub", words.subtitle)), reset, close),
    log, passage, count, form, h("p", "foot", h("span", "", words.foot), h("b", "", "BITB")), status,
  );

  const frame = h("div", config.corner, panel, launcher);
  frame.style.setProperty("--brand", config.brand);
  frame.style.setProperty("--on-brand", config.onBrand);
  frame.dir = getComputedStyle(document.documentElement).direction;
  title.dir = box.dir = "auto";
  panel.hidden = passage.hidden = count.hidden = true;
  panel.tabIndex = passage.tabIndex = -1;
  log.tabIndex = 0;
  box.rows = 1;
  box.placeholder = words.ask;
  for (const [node, attributes] of [
    [launcher, { "aria-haspopup": "dialog", "aria-expanded": "false" }],
    [panel, { role: "dialog", "aria-label": words.panel(config.name) }],
    [log, { role: "log", "aria-live": "off", "aria-label": words.conversation }],
    [box, { "aria-label": words.ask, enterkeyhint: "send", autocomplete: "off" }],
    [status, { role: "status", "aria-live": "polite" }],
  ] as [HTMLElement, { [name: string]: string }][]) {
    for (const name of Object.keys(attributes)) node.setAttribute(name, attributes[name]);
  }

  // ---- open and close

  function open(byHand: boolean): void {
    panel.hidden = false;
    launcher.hidden = true;
    launcher.setAttribute("aria-expanded", "true");
    store.set("open", "1");
    fit();
    grow();
    if (!loaded) void load();
    // On a phone the field would bring up the keyboard over the greeting.
    if (byHand) (matchMedia("(pointer: coarse)").matches ? panel : box).focus();
  }

  function shut(): void {
    panel.hidden = true;
    launcher.hidden = false;
    launcher.setAttribute("aria-expanded", "false");
    store.set("open", null);
    launcher.focus();
  }

  /** On a phone the panel is as large as what the keyboard leaves of the screen. */
  function fit(): void {
    const view = window.visualViewport;
    if (!view || panel.hidden) return;
    const phone = matchMedia(PHONE).matches && view.scale === 1;
    panel.style.height = phone ? `${view.height}px` : "";
    panel.style.top = phone ? `${view.offsetTop}px` : "";
  }

  // ---- the conversation

  const actions = { open: showPassage, retry, rephrase };

  async function load(): Promise<void> {
    if (loading) return;
    loading = true;
    if (store.get("token")) log.replaceChildren(progress(words.loading));
    controls();
    try {
      const messages = await api.history();
      turns = [];
      for (const m of messages) {
        if (m.role === "visitor") turns.push(newTurn(m.id, m.text));
        const turn = m.role === "bot" && (turns.find((t) => t.id === m.replyTo) ?? turns[turns.length - 1]);
        if (turn) finish(turn, m);
      }
      resume();
      loaded = true;
      redraw();
    } catch {
      log.replaceChildren(notice(words.noHistory, words.retry, load));
    }
    loading = false;
    controls();
  }

  /** Takes up what was under way when the page was left: a question that never arrived, or an answer still being written. */
  function resume(): void {
    const [id, ...question] = (store.get("sent") ?? "").split("\n");
    if (id && !turns.some((t) => t.id === id)) {
      const turn = newTurn(id, question.join("\n"));
      fail(turn, new Refusal("lost", words.unsent));
      turns.push(turn);
    }
    for (const turn of turns) {
      if (live(turn) && turn !== turns[turns.length - 1]) turn.state = "interrupted";
    }
    const last = turns[turns.length - 1];
    if (!last || !live(last)) return;
    void settle(last, async (signal) => {
      const m = await api.answerTo(last.id, signal, RESUME);
      if (m) return m;
      throw new Refusal("lost", words.interrupted);
    });
  }

  function redraw(): void {
    const fresh = store.get("fresh");
    const shown = fresh ? [] : turns;
    for (const turn of shown) drawTurn(turn, actions);
    log.replaceChildren(...shown.map((t) => t.root));
    if (!shown.length) {
      const greeting = h("h2", config.greeting.length > 90 ? "long" : "", config.greeting);
      greeting.dir = "auto";
      log.append(greeting, suggestions(config.suggestions));
    }
    if (fresh && turns.length) log.append(notice(words.startedOver, words.undo, undo));
    offerMore();
    controls();
    follow(true);
  }

  function suggestions(questions: string[]): HTMLElement {
    const list = h("div", "sug");
    for (const q of questions) {
      const b = button("", "", () => ask(q), q);
      b.dir = "auto";
      list.append(b);
    }
    return list;
  }

  /** Below a finished answer, the suggested questions that were not asked yet. */
  function offerMore(): void {
    for (const old of log.querySelectorAll(".sug.more")) old.remove();
    const last = turns[turns.length - 1];
    if (store.get("fresh") || !last || live(last) || last.state === "failed") return;
    const open = config.suggestions.filter((s) => !turns.some((t) => t.question === s)).slice(0, FOLLOW_UPS);
    if (!open.length) return;
    const more = suggestions(open);
    more.classList.add("more");
    log.append(more);
  }

  function ask(question: string): void {
    if (running || loading) return;
    if (store.get("fresh")) turns = [];
    const turn = newTurn(newId(), question);
    turns.push(turn);
    if (turns.length === 1) log.replaceChildren();
    log.append(turn.root);
    hidePassage(false);
    void run(turn);
  }

  function retry(turn: Turn): void {
    if (running) return;
    rewind(turn);
    box.focus();
    void run(turn);
  }

  function rephrase(turn: Turn): void {
    box.value = turn.question;
    typed();
    box.focus();
  }

  function run(turn: Turn): Promise<void> {
    let frame = 0;
    store.set("sent", `${turn.id}\n${turn.question}`);
    return settle(turn, async (signal) => {
      if (store.get("fresh")) {
        await api.startOver();
        store.set("fresh", null);
      }
      const heard = {
        stage(stage: string) {
          if (stage !== "writing" || turn.state === "writing") return;
          turn.state = "writing";
          drawTurn(turn, actions);
        },
        text(whole: string) {
          turn.text = whole;
          heard.stage("writing");
          frame ||= requestAnimationFrame(() => {
            frame = 0;
            if (live(turn)) drawText(turn);
            follow();
          });
        },
      };
      return api.ask(turn.id, turn.question, heard, signal);
    });
  }

  /** Runs work until the turn has an end, whichever it is, and shows that. */
  async function settle(turn: Turn, work: (signal: AbortSignal) => Promise<import("./api").Message>): Promise<void> {
    const mine = (running = new AbortController());
    drawTurn(turn, actions);
    offerMore();
    controls();
    say(words.searching);
    follow(true);
    try {
      finish(turn, await work(mine.signal));
    } catch (e) {
      fail(turn, e instanceof Refusal ? e : new Refusal("failed", words.failed));
    }
    if (running === mine) running = null;
    if (turn.state !== "failed") store.set("sent", null);
    drawTurn(turn, actions);
    offerMore();
    controls();
    say(spoken(turn));
    follow();
  }

  function stop(): void {
    running?.abort();
  }

  /** The server hears of it with the next question; until then it can be undone, also after a reload. */
  function startOver(): void {
    stop();
    store.set("fresh", "1");
    store.set("sent", null);
    hidePassage(false);
    redraw();
    say(words.startedOver);
    box.focus();
  }

  function undo(): void {
    store.set("fresh", null);
    redraw();
    box.focus();
  }

  // ---- the passage behind a number

  function showPassage(source: Source, from: HTMLElement): void {
    cameFrom = from;
    const place = [source.page ? words.pageLong(source.page) : "", source.heading].filter((s) => s).join(" · ");
    const quote = h("blockquote", "", h("span", "", source.text));
    const heading = h("h3", "", source.title);
    const where = h("p", "where", place);
    heading.dir = where.dir = quote.dir = "auto";
    passage.replaceChildren(
      button("quiet", "", () => hidePassage(true), icon("back"), words.back),
      h("div", "doc", h("span", "cite", `${source.n}`), h("div", "", heading, where)),
      quote,
    );
    log.hidden = true;
    passage.hidden = false;
    passage.setAttribute("role", "region");
    passage.setAttribute("aria-label", words.source(source.n, source.title));
    passage.scrollTop = 0;
    passage.focus();
  }

  function hidePassage(refocus: boolean): void {
    if (passage.hidden) return;
    passage.hidden = true;
    log.hidden = false;
    if (refocus) cameFrom?.focus();
  }

  // ---- the field

  function submit(): void {
    const question = box.value.trim();
    if (!question || running || loading || length(box.value.trim()) > LIMIT) return;
    box.value = "";
    typed();
    ask(question);
  }

  function typed(): void {
    store.set("draft", box.value || null);
    grow();
    controls();
  }

  function grow(): void {
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }

  function controls(): void {
    const n = length(box.value.trim());
    const over = n > LIMIT;
    send.classList.toggle("running", !!running);
    send.setAttribute("aria-label", running ? words.stop : words.send);
    send.disabled = !running && (loading || !n || over);
    form.classList.toggle("over", over);
    count.hidden = n <= LIMIT - NEAR;
    count.textContent = (over ? words.tooLong : words.used)(n.toLocaleString("en"), LIMIT.toLocaleString("en"));
    count.classList.toggle("over", over);
    reset.hidden = !turns.length || !!store.get("fresh");
  }

  function say(sentence: string): void {
    status.textContent = sentence;
  }

  /** Keeps the newest text in view until the question has reached the top, unless the reader has scrolled away. */
  function follow(jump = false): void {
    const last = turns[turns.length - 1];
    const end = log.scrollHeight - log.clientHeight;
    const top = last?.root.isConnected ? last.root.offsetTop - log.offsetTop - 12 : end;
    if (jump || !away) log.scrollTop = Math.min(end, Math.max(0, top));
    mark = log.scrollTop;
  }
  let away = false;
  let mark = 0;

  // ---- events

  log.addEventListener("scroll", () => (away = log.scrollTop < mark - 8));
  box.addEventListener("input", typed);
  for (const type of ["keydown", "keypress"] as const) {
    box.addEventListener(type, (e) => {
      if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return; // 229: Safari's Enter that ends a composition
      e.preventDefault();
      if (type === "keydown") submit();
    });
  }
  panel.addEventListener("keydown", (e) => {
    if (e.key !== "Escape" || e.isComposing) return;
    if (passage.hidden) shut();
    else hidePassage(true);
  });
  // The page's own shortcuts must not fire while somebody types here.
  for (const type of ["keydown", "keypress", "keyup"]) frame.addEventListener(type, (e) => e.stopPropagation());
  window.visualViewport?.addEventListener("resize", fit);
  window.visualViewport?.addEventListener("scroll", fit);

  root.append(frame);
  box.value = store.get("draft") ?? "";
  controls();
  if (store.get("open")) open(false);
}

function length(s: string): number {
  return [...s].length;
}

// The button in the corner and the panel it opens.

import { renderAnswer } from "../answer";
import type { Api, Config, Source } from "./api";
import { Composer } from "./composer";
import { Conversation } from "./conversation";
import { button, h, icon } from "./dom";
import type { Store } from "./store";
import { words } from "./words";

const PHONE = "(max-width: 480px), (max-height: 440px)"; // as in widget.css

export class Panel {
  readonly root: HTMLElement; // as large as what is fixed may be
  private readonly box: HTMLElement; // what of that is in view
  private readonly panel: HTMLElement;
  private readonly launcher: HTMLButtonElement;
  private readonly reset: HTMLButtonElement;
  private readonly passage = h("div", "passage");
  private readonly status = h("div", "sr");
  private readonly composer: Composer;
  private readonly conversation: Conversation;
  private cameFrom: HTMLElement | null = null; // the number whose passage is shown

  constructor(config: Config, api: Api, private store: Store) {
    this.composer = new Composer(store, (question) => this.ask(question), () => this.conversation.stop());
    this.conversation = new Conversation(config, api, store, {
      changed: () => this.changed(),
      say: (sentence) => (this.status.textContent = sentence),
      rest: () => this.rest(),
      rephrase: (question) => (this.composer.write(question), this.composer.box.focus()),
      open: (source, from) => this.showPassage(source, from),
    });
    this.launcher = button("launch", "", () => this.open(true), icon("ask"), words.launch);
    this.launcher.setAttribute("aria-haspopup", "dialog");
    this.reset = button("icon", words.startOver, () => (this.hidePassage(false), this.conversation.startOver()), icon("again"));
    this.panel = h("section", "panel", this.head(config), this.conversation.root, this.passage, this.composer.root, foot(), this.status);
    this.panel.setAttribute("role", "dialog");
    this.panel.setAttribute("aria-label", words.panel(config.name));
    this.panel.tabIndex = this.passage.tabIndex = -1;
    this.panel.hidden = this.passage.hidden = true;
    this.passage.setAttribute("role", "region");
    this.status.setAttribute("role", "status");
    this.status.setAttribute("aria-live", "polite");
    this.box = h("div", config.corner, this.panel, this.launcher);
    this.box.style.setProperty("--brand", config.brand);
    this.box.style.setProperty("--on-brand", config.onBrand);
    this.box.dir = getComputedStyle(document.documentElement).direction;
    this.root = h("div", "page", this.box);
    this.listen();
    this.changed();
  }

  /** Opens the panel if it was open when the visitor left the last page. The focus stays with the page. */
  restore(): void {
    if (this.store.get("open")) this.open(false);
  }

  private head(config: Config): HTMLElement {
    const title = h("p", "title", config.name);
    const subtitle = h("p", "sub", words.subtitle);
    title.dir = subtitle.dir = "auto";
    const initial = [...config.name.trim()][0]?.toUpperCase() ?? "?";
    const close = button("icon", words.close, () => this.close(), icon("close"), icon("down"));
    const mark = h("span", "mark", initial);
    mark.setAttribute("aria-hidden", "true");
    return h("div", "head", mark, h("div", "", title, subtitle), this.reset, close);
  }

  private listen(): void {
    this.panel.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || e.isComposing) return;
      if (this.passage.hidden) this.close();
      else this.hidePassage(true);
    });
    // The page's own shortcuts must not fire while somebody types here.
    for (const type of ["keydown", "keypress", "keyup"]) this.root.addEventListener(type, (e) => e.stopPropagation());
    new ResizeObserver(() => this.fit()).observe(this.root); // a page grows wide without an event of its own
    window.visualViewport?.addEventListener("resize", () => this.fit());
    window.visualViewport?.addEventListener("scroll", () => this.fit());
  }

  private open(byHand: boolean): void {
    this.panel.hidden = false;
    this.panel.classList.toggle("still", !byHand);
    this.launcher.hidden = true;
    this.store.set("open", "1");
    this.fit();
    this.composer.grow();
    void this.conversation.load();
    if (byHand) this.rest();
  }

  private close(): void {
    this.panel.hidden = true;
    this.launcher.hidden = false;
    this.store.set("open", null);
    this.launcher.focus();
  }

  /** On a phone the field would bring up the keyboard over what is to be read. */
  private rest(): void {
    (matchMedia("(pointer: coarse)").matches ? this.panel : this.composer.box).focus();
  }

  /** On a phone the panel is as large as what the keyboard leaves of the screen. */
  private fit(): void {
    const view = window.visualViewport;
    if (!view) return;
    const phone = matchMedia(PHONE).matches && view.scale === 1;
    // Over a page that is wider than the phone, what is fixed is laid out as large as the page: half of it would be out of sight.
    const all = this.root.getBoundingClientRect();
    const wide = phone && all.width > view.width + 1;
    const { style } = this.box;
    style.inset = wide ? `${view.offsetTop - all.top}px auto auto ${view.offsetLeft - all.left}px` : "";
    style.width = wide ? `${view.width}px` : "";
    style.height = wide ? `${view.height}px` : "";
    this.panel.style.height = phone ? `${view.height}px` : "";
    this.panel.style.top = phone && !wide ? `${view.offsetTop}px` : "";
  }

  private ask(question: string): void {
    this.hidePassage(false);
    this.conversation.ask(question);
  }

  private changed(): void {
    this.composer.show(this.conversation.state);
    this.reset.hidden = this.conversation.empty;
  }

  private showPassage(source: Source, from: HTMLElement): void {
    this.cameFrom = from;
    const quote = h("blockquote", "a");
    renderAnswer(quote, source.text, { cite: () => null }); // passages are Markdown: what was a table in the document is one here
    const title = h("h2", "t", source.title);
    const page = source.page ? words.pageLong(source.page) : "";
    const where = h("p", "where", h("bdi", "", page), page && source.heading ? " · " : "", h("bdi", "", source.heading));
    title.dir = "auto";
    this.passage.replaceChildren(
      button("quiet", "", () => this.hidePassage(true), icon("back"), words.back),
      h("div", "doc", h("span", "cite", `${source.n}`), h("div", "", title, where)),
      quote,
    );
    this.passage.setAttribute("aria-label", words.source(source.n, source.title));
    this.conversation.root.hidden = true;
    this.passage.hidden = false;
    this.passage.scrollTop = 0;
    this.passage.focus();
  }

  private hidePassage(refocus: boolean): void {
    if (this.passage.hidden) return;
    this.passage.hidden = true;
    this.conversation.root.hidden = false;
    if (refocus) this.cameFrom?.focus();
  }
}

function foot(): HTMLElement {
  return h("p", "foot", h("span", "", words.foot), h("b", "", "BITB"));
}

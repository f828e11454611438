// The field for the question, with its counter and the one button that sends or stops.

import { button, h, icon } from "./dom";
import type { Store } from "./store";
import { words } from "./words";

const LIMIT = 2000; // characters in a question, as the server counts them: code points
const NEAR = 200; // so many before the limit the counter appears

export class Composer {
  readonly root: HTMLElement;
  readonly box = document.createElement("textarea");
  private readonly count = h("p", "count");
  private readonly form: HTMLElement;
  private readonly send: HTMLButtonElement;
  private state: "ready" | "loading" | "running" = "ready";

  /** ask gets a question of 1 to LIMIT characters, while nothing else is under way. */
  constructor(private store: Store, private ask: (question: string) => void, private stop: () => void) {
    const { box } = this;
    this.send = button("send", words.send, () => (this.state === "running" ? this.stop() : this.submit()), icon("send"), icon("stop"));
    this.form = h("div", "form", box, this.send);
    this.root = h("div", "", this.count, this.form);
    box.rows = 1;
    box.placeholder = words.ask;
    box.setAttribute("aria-label", words.ask);
    box.setAttribute("enterkeyhint", "send");
    box.setAttribute("aria-describedby", (this.count.id = "count"));
    box.value = store.get("draft") ?? "";
    box.addEventListener("input", () => this.typed());
    for (const type of ["keydown", "keypress"] as const) {
      box.addEventListener(type, (e) => {
        if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return; // 229: Safari's Enter that ends a composition
        e.preventDefault();
        if (type === "keydown") this.submit();
      });
    }
    this.draw();
  }

  /** Replaces what is typed. */
  write(text: string): void {
    this.box.value = text;
    this.typed();
  }

  /** What goes on decides whether the button sends, waits or stops. What is typed meanwhile stays. */
  show(state: "ready" | "loading" | "running"): void {
    this.state = state;
    this.draw();
  }

  /** Makes the field as high as its text; it has no height to measure while the panel is closed. */
  grow(): void {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }

  private submit(): void {
    const question = this.box.value.trim();
    if (!question || this.state !== "ready" || length(question) > LIMIT) return;
    this.write("");
    this.ask(question);
  }

  private typed(): void {
    this.store.set("draft", this.box.value || null);
    this.grow();
    this.draw();
  }

  private draw(): void {
    this.box.dir = this.box.value ? "auto" : ""; // the placeholder runs with the panel
    const n = length(this.box.value.trim());
    const over = n > LIMIT;
    const running = this.state === "running";
    this.send.classList.toggle("running", running);
    this.send.setAttribute("aria-label", running ? words.stop : words.send);
    this.send.disabled = !running && (this.state === "loading" || !n || over);
    this.form.classList.toggle("over", over);
    this.count.classList.toggle("over", over);
    this.box.setAttribute("aria-invalid", `${over}`);
    this.count.hidden = n <= LIMIT - NEAR;
    this.count.textContent = this.count.hidden ? "" : (over ? words.tooLong : words.used)(n.toLocaleString("en"), LIMIT.toLocaleString("en"));
  }
}

function length(s: string): number {
  return [...s].length;
}

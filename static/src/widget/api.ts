// The widget's side of /widget/v1: one bot, one anonymous visitor, no cookies. The browser's Origin header is what the server trusts.

import { eventReader } from "./sse";
import { OwnPromise, type Realm } from "./realm";
import type { Store } from "./store";
import { words } from "./words";

export interface Config {
  name: string;
  greeting: string;
  suggestions: string[];
  brand: string;
  onBrand: string;
  corner: "left" | "right";
  model: string;
}

export interface Source {
  n: number;
  title: string;
  page: number; // 0: the document has no pages
  heading: string;
  text: string;
}

export interface Message {
  id: string;
  role: "visitor" | "bot";
  text: string;
  status: "complete" | "interrupted" | "fallback";
  sources: Source[];
  model: string;
  replyTo: string;
}

/** Why there is no answer. code is the server's, or "offline", "lost" (the connection), "failed" (no readable reason). */
export class Refusal extends Error {
  constructor(readonly code: string, message: string, readonly status = 0, readonly retryAfter = 0) {
    super(message);
  }
}

export interface Api {
  config(): Promise<Config>;
  /** Whether the server answers at all, in whatever way. */
  reachable(): Promise<boolean>;
  /** The conversation so far; none, and no request, for somebody who never asked. */
  history(): Promise<Message[]>;
  /** Asks, or picks up, the question with this id: the server answers an id once. heard gets the stage, then the whole text so far. */
  ask(id: string, question: string, heard: Heard, signal: AbortSignal): Promise<Message>;
  /** Looks for the stored answer every two seconds; null when there is none in time. */
  answerTo(id: string, signal: AbortSignal, seconds: number): Promise<Message | null>;
  startOver(): Promise<void>;
}

export interface Heard {
  stage(stage: string): void;
  text(whole: string): void;
}

const QUIET = 8_000; // no byte for so long: a proxy is holding the stream back
const IDLE = 45_000; // not even a ping for so long: the connection is dead
const POLL = 2_000;
const PATIENCE = 90; // seconds to go on polling
const AFTERMATH = 6; // seconds the server may need to store what a cut stream had

type Data = { [key: string]: unknown };
const bare = (init: object) => Object.assign(Object.create(null), init); // so that a polluted Object.prototype adds nothing to it
const text = (v: unknown) => (typeof v === "string" ? v : "");
const list = (v: unknown) => (Array.isArray(v) ? v : []);
const pause = (ms: number) => new OwnPromise((done) => setTimeout(done, ms));

/** A UUID v7 (RFC 9562): crypto.randomUUID is missing on pages without https. */
export function newId(): string {
  const b = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 5, t = Date.now(); i >= 0; i--, t = Math.floor(t / 256)) b[i] = t % 256;
  b[6] = (b[6] & 15) | 112;
  b[8] = (b[8] & 63) | 128;
  let hex = "";
  for (let i = 0; i < 16; i++) hex += (b[i] + 256).toString(16).slice(1) + (i === 3 || i === 5 || i === 7 || i === 9 ? "-" : "");
  return hex;
}

export function connect(origin: string, bot: string, store: Store, realm: () => Realm): Api {
  const base = `${origin}/widget/v1/bots/${bot}`;
  let making: Promise<string> | null = null;

  const parse = (json: string): Data => {
    const v = realm().JSON.parse(json, (_, v) => (v && typeof v === "object" && !Array.isArray(v) ? bare(v) : v));
    return v && typeof v === "object" ? v : bare({});
  };

  async function request(path: string, init: Data): Promise<Response> {
    let response: Response;
    try {
      response = await realm().fetch(base + path, bare({ mode: "cors", credentials: "omit", ...init }));
    } catch {
      throw navigator.onLine === false ? new Refusal("offline", words.offline) : new Refusal("lost", words.lost);
    }
    if (response.ok) return response;
    let problem: Data = bare({});
    try {
      problem = parse(await response.text());
    } catch {
      // not from our server; the status has to do
    }
    throw refusal(problem, response.status, Number(response.headers.get("Retry-After")));
  }

  async function token(): Promise<string> {
    const known = store.get("token");
    if (known) return known;
    making ??= request("/visitors", bare({ method: "POST" }))
      .then(async (response) => {
        const made = text(parse(await response.text()).token);
        store.set("token", made);
        return made;
      })
      .finally(() => (making = null));
    return making;
  }

  const reachable = () => realm().fetch(base, bare({ mode: "no-cors", credentials: "omit" })).then(() => true, () => false);

  /** Why a request was lost while the network is there: a site that was taken off the bot's list is answered nothing that it may read. */
  async function whyLost(e: Refusal): Promise<Refusal> {
    try {
      await request("", bare({}));
      return e;
    } catch (why) {
      if (why instanceof Refusal && why.status) return why;
      return (await reachable()) ? new Refusal("gone", words.gone) : e;
    }
  }

  /** request as the visitor; a visitor whom the server no longer knows is replaced, once. */
  async function asVisitor(path: string, init: Data): Promise<Response> {
    for (let again = false; ; again = true) {
      const headers = bare({ ...(init.headers as object), Authorization: `Bearer ${await token()}` });
      try {
        return await request(path, bare({ ...init, headers }));
      } catch (e) {
        if (e instanceof Refusal && e.code === "lost" && !(init.signal as AbortSignal)?.aborted) throw await whyLost(e);
        if (again || !(e instanceof Refusal) || e.status !== 401) throw e;
        store.set("token", null);
      }
    }
  }

  async function history(): Promise<Message[]> {
    if (!store.get("token")) return [];
    const data = parse(await (await asVisitor("/messages", bare({}))).text());
    return list(data.messages).map(message);
  }

  async function answerTo(id: string, signal: AbortSignal, seconds: number): Promise<Message | null> {
    for (const until = Date.now() + seconds * 1000; !signal.aborted && Date.now() < until; await pause(POLL)) {
      try {
        const found = (await history()).find((m) => m.role === "bot" && m.replyTo === id);
        if (found) return found;
      } catch {
        // the next round may fare better
      }
    }
    return null;
  }

  /** Reads the answer's events up to "done". null: the stream ended, or could not be read, before that. */
  async function read(response: Response, heard: Heard, alive: () => void): Promise<Message | null> {
    if (/^application\/json/.test(response.headers.get("Content-Type") ?? "")) return message(parse(await response.text()));
    if (!response.body) return null;
    let whole = "";
    let done: Message | null = null;
    const feed = eventReader((event, data) => {
      const value = parse(data);
      if (event === "status") heard.stage(text(value.stage));
      if (event === "delta") heard.text((whole += text(value.text)));
      if (event === "done") done = message(value);
      if (event === "error") throw refusal(value, 0, 0);
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let idle = 0;
    try {
      for (;;) {
        clearTimeout(idle);
        idle = window.setTimeout(() => reader.cancel().catch(() => {}), IDLE);
        const piece = await reader.read();
        if (piece.done || done) return done;
        alive();
        feed(decoder.decode(piece.value, bare({ stream: true })));
        if (done) return done;
      }
    } catch (e) {
      if (e instanceof Refusal) throw e;
      return null;
    } finally {
      clearTimeout(idle);
      reader.cancel().catch(() => {});
    }
  }

  /** The stream and, when it stays silent, polling beside it: whichever has the answer first. */
  function ask(id: string, question: string, heard: Heard, signal: AbortSignal): Promise<Message> {
    return new OwnPromise((resolve, reject) => {
      const race = new AbortController();
      const end = (settle: () => void) => {
        clearTimeout(quiet);
        race.abort();
        settle();
      };
      const poll = (seconds: number) =>
        answerTo(id, race.signal, seconds).then((found) => end(() => (found ? resolve(found) : reject(new Refusal("lost", words.lost)))));
      const quiet = window.setTimeout(() => poll(PATIENCE), QUIET);
      const body = `{"id":"${id}","question":${realm().JSON.stringify(question)}}`;
      signal.addEventListener("abort", () => end(() => reject(new Refusal("stopped", words.stopped))));
      const headers = bare({ "Content-Type": "application/json", Accept: "text/event-stream" });
      asVisitor("/messages", bare({ method: "POST", headers, body, signal: race.signal }))
        .then((response) => read(response, heard, () => clearTimeout(quiet)))
        .then((done) => (done ? end(() => resolve(done)) : poll(AFTERMATH)))
        .catch((e) => end(() => reject(e)));
    });
  }

  return {
    history,
    ask,
    answerTo,
    config: async () => config(parse(await (await request("", bare({}))).text())),
    reachable,
    startOver: async () => void (await asVisitor("/conversations", bare({ method: "POST" }))),
  };
}

function refusal(problem: Data, status: number, wait: number): Refusal {
  const message = status === 404 ? words.gone : text(problem.message) || words.failed; // the server's sentence is for the bot's owner
  return new Refusal(text(problem.code) || "failed", message, status, Number(problem.retry_after) || wait || 0);
}

function config(d: Data): Config {
  const color = (v: unknown, or: string) => (/^#[0-9a-f]{6}$/i.test(text(v)) ? text(v) : or);
  return {
    name: text(d.name),
    greeting: text(d.greeting),
    suggestions: list(d.suggestions).map(text).filter((s) => s),
    brand: color(d.brand, "#0a5c6b"),
    onBrand: color(d.on_brand, "#ffffff"),
    corner: d.corner === "left" ? "left" : "right",
    model: text(d.model),
  };
}

function message(d: Data): Message {
  const status = text(d.status);
  return {
    id: text(d.id),
    role: d.role === "visitor" ? "visitor" : "bot",
    text: text(d.text),
    status: status === "fallback" ? status : status === "interrupted" || status === "failed" ? "interrupted" : "complete",
    sources: list(d.sources).map((s: Data) => bare({ n: Number(s.n), title: text(s.title), page: Number(s.page) || 0, heading: text(s.heading), text: text(s.text) })),
    model: text(d.model),
    replyTo: text(d.reply_to),
  };
}

// widget.js: <script src="https://host/widget.js" data-bot="UUID" async></script>
//
// It adds one element to the page, with everything in a shadow root, and no global name. The shadow root is open: closing it protects
// nothing from a page that runs before us, and would hide the chat from accessibility checkers. The script's own origin is the API.

import { connect, Refusal, type Api, type Config } from "./api";
import { Panel } from "./panel";
import { cleanRealm, OwnPromise, type Realm } from "./realm";
import { openStore } from "./store";
import { warnings } from "./words";
import css from "widget.css" with { type: "text" };

const TAG = "bitb-widget";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const AGAIN = [2_000, 8_000]; // pauses before the settings are asked for again: a phone in a tunnel, a server being replaced

const script = (document.currentScript ?? document.querySelector("script[data-bot][src*='/widget.js']")) as HTMLScriptElement | null;
if (script) void start(script.dataset.bot ?? "", new URL(script.src).origin);

async function start(bot: string, origin: string): Promise<void> {
  if (!UUID.test(bot)) return console.warn(warnings.badBot(bot));
  if (!document.body) await new OwnPromise((ready) => document.addEventListener("DOMContentLoaded", ready));
  if (document.querySelector(TAG)) return;
  // A child of <html>, not of <body>: a page that swaps or transforms its body does not take the chat with it.
  const host = document.createElement(TAG);
  const root = host.attachShadow(Object.assign(Object.create(null), { mode: "open" }));
  document.documentElement.append(host);
  let realm: Realm | null = null;
  const store = openStore(bot);
  const api = connect(origin, bot, store, () => (realm ??= cleanRealm(root)));
  try {
    const config = await settings(api);
    dress(root);
    const panel = new Panel(config, api, store);
    root.append(panel.root);
    panel.restore();
  } catch (e) {
    host.remove();
    console.warn(reason(e, bot, origin));
  }
}

async function settings(api: Api): Promise<Config> {
  for (const ms of AGAIN) {
    try {
      return await api.config();
    } catch (e) {
      const status = e instanceof Refusal ? e.status : 0;
      if (status >= 400 && status < 429) throw e;
      // A site that is not allowed gets no CORS headers, so all that script may know is that the server is there and its answer withheld.
      if (!status && (await api.reachable())) throw new Refusal("origin", "", 403);
    }
    await new OwnPromise((done) => setTimeout(done, ms));
  }
  return api.config();
}

function reason(e: unknown, bot: string, origin: string): string {
  const status = e instanceof Refusal ? e.status : 0;
  if (status === 403) return warnings.origin(location.origin);
  if (status === 404) return warnings.unknown(bot);
  return warnings.unreachable(origin);
}

/** A constructed style sheet needs no 'unsafe-inline'; a browser without one is too old for a strict CSP to be common. */
function dress(root: ShadowRoot): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    const style = document.createElement("style");
    style.textContent = css;
    root.append(style);
  }
}

// The page may have replaced fetch or JSON: a monitoring script that adds headers no preflight allows, an old library, worse.
// Then ours come from an empty frame of our own, whose globals nobody has touched. It has the page's origin and the page's CSP.

/** The language's own Promise, whatever window.Promise has become. */
export const OwnPromise = (async () => {})().constructor as PromiseConstructor;

export interface Realm {
  fetch: typeof fetch;
  JSON: JSON;
}

const source = Function.prototype.toString;
const untouched = (f: unknown, name: string) =>
  typeof f === "function" && f.name === name && /\{\s*\[native code\]\s*\}\s*$/.test(source.call(f));

/** The page's own globals while they are the browser's, else those of a frame put below root. */
export function cleanRealm(root: Node): Realm {
  const { fetch, JSON } = window;
  if (untouched(fetch, "fetch") && untouched(JSON.parse, "parse") && untouched(JSON.stringify, "stringify")) {
    return { fetch: fetch.bind(window), JSON };
  }
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.title = "";
  root.appendChild(frame);
  const inside = () => (frame.contentWindow ?? window) as unknown as Realm; // asked each time: Firefox swaps the window once
  return {
    fetch: (input, init) => inside().fetch(input, init),
    get JSON() {
      return inside().JSON;
    },
  };
}

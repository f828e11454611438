// Server-sent events over fetch: EventSource can neither POST nor send a bearer token.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** Takes the text of a stream cut at any place and calls on for each whole event. Comments and fields other than event and data are dropped. */
export function eventReader(on: (event: string, data: string) => void): (chunk: string) => void {
  let rest = "";
  let event = "";
  let data: string[] = [];
  const line = (text: string) => {
    if (!text) {
      if (data.length) on(event || "message", data.join("\n"));
      event = "";
      data = [];
      return;
    }
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  };
  return (chunk) => {
    rest += chunk;
    // A "\r" at the very end may be half of "\r\n": it waits for the next chunk.
    for (let m; (m = /\r\n|\n|\r(?!$)/.exec(rest)); ) {
      line(rest.slice(0, m.index));
      rest = rest.slice(m.index + m[0].length);
    }
  };
}

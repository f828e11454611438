// htmx, set up before it looks at the page. It must find no use for eval, as the content policy forbids it, and it must show a
// form that comes back with mistakes (422), which it would drop.

import htmx from "htmx.org";

Object.assign(htmx.config, {
  allowEval: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  defaultSettleDelay: 0, // what was swapped in works from the first moment on
  historyCacheSize: 0, // pages hold customers' documents: none of it belongs into the browser's storage
  refreshOnHistoryMiss: true,
  responseHandling: [
    { code: "204", swap: false },
    { code: "[23]..", swap: true },
    { code: "422", swap: true },
    { code: "[45]..", swap: false, error: true },
  ],
});

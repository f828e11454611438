// Every sentence the widget says by itself, in one table, so that another language is another table.
// What the bot says, and the titles of documents, come from the server in any language and direction.

export const words = {
  launch: "Ask us",
  panel: (name: string) => `Chat with ${name}`,
  subtitle: "Answers from our documents",
  close: "Close chat",
  startOver: "Start over",
  startedOver: "New conversation.",
  undo: "Undo",
  conversation: "Conversation",
  asked: "You asked:",
  ask: "Ask a question",
  send: "Send",
  stop: "Stop",
  used: (n: string, max: string) => `${n} of ${max} characters`,
  tooLong: (n: string, max: string) => `${n} of ${max} characters. Shorten the question to send it.`,
  loading: "Loading the conversation",
  searching: "Searching our documents",
  writing: "Writing the answer",
  sources: "Sources",
  source: (n: number, title: string) => `Source ${n}: ${title}`,
  page: (n: number) => `p. ${n}`,
  pageLong: (n: number) => `Page ${n}`,
  back: "Back to the answer",
  nothing: "The bot did not write an answer.",
  counted: (n: number) => (n === 1 ? "1 source." : `${n} sources.`),
  answeredBy: (model: string) => `Answered by ${model}`,
  rephrase: "Ask it differently",
  stopped: "Stopped. This answer is not complete.",
  interrupted: "The answer was cut off before it was complete.",
  lost: "The connection was lost. Check your network, then retry.",
  offline: "You are offline. Retry when you are back online.",
  gone: "This chat is no longer available on this page.",
  unsent: "This question was not sent.",
  failed: "The answer could not be fetched. Retry in a moment.",
  noHistory: "The earlier conversation could not be loaded.",
  retry: "Retry",
  retryIn: (time: string) => `Retry in ${time}`,
  seconds: (n: number) => `${n} s`,
  minutes: (n: number) => `${n} min`,
  foot: "Can be wrong. Check the source.",
};

/** What the site's owner reads in the browser's console when the widget stays away. */
export const warnings = {
  badBot: (id: string) => `BITB: data-bot="${id}" is not a bot's id, so the chat is not shown. Copy the snippet from the Bot page again.`,
  unknown: (id: string) => `BITB: there is no bot with the id ${id}, so the chat is not shown. Copy the snippet from the Bot page again.`,
  origin: (own: string) =>
    `BITB: ${own} is not on this bot's list of allowed sites, so the chat is not shown. Add it on the Bot page, under "Allowed sites".`,
  unreachable: (origin: string) =>
    `BITB: ${origin} could not be reached, so the chat is not shown. If this page has a Content-Security-Policy, add ${origin} to its connect-src.`,
};

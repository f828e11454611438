// Small parts that many pages share: menus, dialogs, confirmations, copying.

export function startParts(): void {
  document.addEventListener("click", closeMenus);
  document.addEventListener("keydown", escapeMenu);
  document.addEventListener("input", mirror);
  document.addEventListener("click", onClick);
  document.addEventListener("submit", sendOnce);
  window.addEventListener("pageshow", (e) => e.persisted && document.querySelectorAll("[data-sent]").forEach(unsend));
  document.addEventListener("htmx:responseError", (e) => failed((e as CustomEvent).detail.xhr));
  document.addEventListener("htmx:sendError", () => toast("The server cannot be reached. Check your connection and try again.", true));
  document.addEventListener("htmx:beforeSwap", (e) => {
    const { xhr } = (e as CustomEvent).detail;
    if (!new URL(xhr.responseURL || location.href).pathname.endsWith("/signin")) return;
    e.preventDefault(); // the session ended: the sign-in is a page of its own
    signedOut(401);
  });
  document.addEventListener("htmx:oobAfterSwap", (e) => {
    if ((e.target as Element).closest("#toasts")) passAllAway();
  });
  document.addEventListener("submit", (e) => (e.target as Element).closest(".toast")?.setAttribute("hidden", "")); // it was taken back
  keepPlace();
  document.addEventListener("htmx:afterSwap", (e) => {
    const said = (e.target as Element).querySelector("[data-announce]");
    if (said) announce(said.getAttribute("data-announce")!);
  });
  document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  passAllAway();
}

function passAllAway(): void {
  document.querySelectorAll<HTMLElement>("#toasts > .toast:not([data-s=bad], [data-passing])").forEach(passAway);
}

/** Whoever acts on a row by keyboard goes on at this row, though the list around it is a new one. */
function keepPlace(): void {
  let row = "";
  document.addEventListener("htmx:beforeRequest", (e) => (row = (e.target as Element).closest("tr[id]")?.id ?? ""));
  document.addEventListener("htmx:afterSettle", () => {
    if (row && document.activeElement === document.body) document.querySelector<HTMLElement>(`#${row} summary`)?.focus();
    row = "";
  });
}

/** Copies the one child of a template of the page. */
export function clone<T extends HTMLElement>(id: string): T {
  return document.querySelector<HTMLTemplateElement>(`template#${id}`)!.content.firstElementChild!.cloneNode(true) as T;
}

/** Parses HTML that this server rendered. Rows of a table may stand alone. */
export function parse(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  return document.importNode(template.content, true);
}

/** Confirms something at the edge of the page. What went wrong stays until it is closed. */
export function toast(text: string, bad = false): void {
  const node = clone(bad ? "toast-bad" : "toast-good");
  node.querySelector("p")!.textContent = text;
  document.getElementById("toasts")!.append(node);
  if (!bad) passAway(node);
}

/** Tells somebody who listens to the page, and nobody else. */
export function announce(text: string): void {
  document.getElementById("announce")!.textContent = text;
}

/** True when an answer says that nobody is signed in any more; the sign-in then leads back here. */
export function signedOut(status: number): boolean {
  if (status === 401) location.assign("/signin?next=" + encodeURIComponent(location.pathname + location.search));
  return status === 401;
}

function failed(xhr: XMLHttpRequest): void {
  if (signedOut(xhr.status)) return;
  let said = "";
  try {
    said = JSON.parse(xhr.responseText).message;
  } catch {
    said = parse(xhr.responseText).querySelector("main p.text-base")?.textContent ?? "";
  }
  toast(said || "That did not work. Reload the page and try again.", true);
}

/** A confirmation goes by itself; one that can be taken back stays longer. */
function passAway(node: HTMLElement): void {
  node.dataset.passing = "";
  let left = setTimeout(() => node.remove(), node.querySelector("form") ? 15000 : 7000);
  node.addEventListener("pointerenter", () => clearTimeout(left));
  node.addEventListener("pointerleave", () => (left = setTimeout(() => node.remove(), 3000)));
}

function closeMenus(e: MouseEvent): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu-of[open]")) {
    const inside = menu.contains(e.target as Node);
    if (!inside || (e.target as Element).closest(".menu a")) menu.open = false;
  }
}

function escapeMenu(e: KeyboardEvent): void {
  if (e.key !== "Escape") return;
  const menu = document.querySelector<HTMLDetailsElement>("details.menu-of[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary")!.focus();
}

function onClick(e: MouseEvent): void {
  const target = e.target as Element;
  const on = <T extends HTMLElement>(selector: string) => target.closest<T>(selector);
  let hit: HTMLElement | null;
  if ((hit = on("[data-close]"))) hit.closest(".toast")!.remove();
  else if ((hit = on("[data-delete]"))) askToDelete(e, hit);
  else if (on("[data-dismiss]")) on<HTMLDialogElement>("dialog")!.close();
  else if (target instanceof HTMLDialogElement) target.close(); // the backdrop belongs to the dialog
  else if ((hit = on("[data-copy-link]"))) {
    e.preventDefault();
    void copy((hit as HTMLAnchorElement).href, hit.dataset.said ?? "The link was copied.");
  } else if ((hit = on("[data-copy]"))) void copy(document.getElementById(hit.dataset.copy!)!.textContent!, "The snippet was copied.");
}

function askToDelete(e: MouseEvent, link: HTMLElement): void {
  const dialog = document.querySelector<HTMLDialogElement>("#delete-dialog");
  if (!dialog || e.metaKey || e.ctrlKey) return;
  e.preventDefault();
  dialog.querySelector("form")!.action = link.dataset.delete!;
  dialog.querySelector("[data-name]")!.textContent = link.dataset.name!;
  dialog.showModal();
}

async function copy(text: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text); // a page without https has no clipboard
  }
  toast(done);
}

function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A form that was sent is not sent again by a second click. */
function sendOnce(e: SubmitEvent): void {
  const button = e.submitter;
  if (!button || (e.target as Element).hasAttribute("hx-get")) return;
  setTimeout(() => {
    if (e.defaultPrevented) return;
    button.setAttribute("data-sent", "");
    (button as HTMLButtonElement).disabled = true;
  });
}

function unsend(button: Element): void {
  button.removeAttribute("data-sent");
  (button as HTMLButtonElement).disabled = false;
}

/** A slider and a field that show one number, whichever of the two is moved. */
function mirror(e: Event): void {
  const from = e.target as HTMLInputElement;
  const slider = document.querySelector<HTMLInputElement>("[data-mirror]");
  const field = slider ? document.getElementById(slider.dataset.mirror!) : null;
  if (!slider || !(field instanceof HTMLInputElement)) return;
  if (from === slider) field.value = slider.value;
  else if (from === field) slider.value = field.value;
}

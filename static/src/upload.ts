// Uploads: several files at once, two on their way at a time, each with its own progress, cancel and reason.

import { refreshList } from "./live";
import { announce, clone, signedOut } from "./parts";

const PARALLEL = 2; // as many as the server takes of one tenant at a time: more would wait there

const NEW = "/documents?same_name=ask"; // a file whose name is known is asked about before it is stored

interface Upload {
  file: File;
  to: string; // the address it is sent to
  node: HTMLElement;
  xhr: XMLHttpRequest | null;
}

/** What the server says of one file, or of a ZIP with a line for each file in it. */
interface Answer {
  message?: string;
  duplicate?: boolean;
  same_name?: string;
  batch?: boolean;
  stored?: number;
  files?: { name: string; message: string; code?: string }[];
}

const waiting: Upload[] = [];
let running = 0;

export function startUploads(): void {
  const form = () => document.querySelector<HTMLFormElement>("#upload");
  document.addEventListener("change", (e) => {
    const input = e.target as HTMLInputElement;
    if (input.id !== "files" && input.id !== "version-file") return;
    add([...(input.files ?? [])], input.dataset.to);
    input.value = ""; // the same file may be chosen again
  });
  document.addEventListener("click", (e) => {
    const target = e.target as Element;
    if (target.closest("[data-pick]")) document.getElementById("files")?.click();
    const row = target.closest<HTMLElement>("[data-version]");
    if (row) pickVersion(row);
  });
  window.addEventListener("beforeunload", (e) => running && e.preventDefault());

  let depth = 0;
  const files = (e: DragEvent) => form() && e.dataTransfer?.types.includes("Files");
  const over = (on: boolean) => document.documentElement.toggleAttribute("data-drag", on);
  document.addEventListener("dragenter", (e) => files(e) && over(++depth > 0));
  document.addEventListener("dragleave", (e) => files(e) && over(--depth > 0));
  document.addEventListener("dragover", (e) => files(e) && e.preventDefault());
  document.addEventListener("drop", (e) => {
    if (!files(e)) return;
    e.preventDefault();
    over((depth = 0) > 0);
    add(dropped(e.dataTransfer!));
  });
}

/** Opens the chooser for a new version of the document of a row. */
function pickVersion(button: HTMLElement): void {
  const input = document.querySelector<HTMLInputElement>("#version-file");
  if (!input) return;
  const menu = button.closest<HTMLDetailsElement>("details");
  if (menu) menu.open = false;
  input.dataset.to = button.dataset.version;
  input.click();
}

/** The files of a drop. A folder comes as a file that cannot be read; it is told apart here and refused by name. */
function dropped(data: DataTransfer): File[] {
  return [...data.items].flatMap((item) => {
    const file = item.getAsFile();
    if (!file) return [];
    if (item.webkitGetAsEntry?.()?.isDirectory) {
      settle(show(file), "fail", "This is a folder. Open it and drop the files.");
      return [];
    }
    return [file];
  });
}

function add(files: File[], to = NEW): void {
  const most = Number(document.querySelector<HTMLElement>("#upload")!.dataset.max);
  for (const file of files) {
    const upload = show(file, to);
    if (file.size > most) settle(upload, "fail", "This file is larger than 25 MB. Split it, or save a smaller copy.");
    else if (!file.size) settle(upload, "fail", "This file is empty. Check it and upload it again.");
    else enqueue(upload);
  }
}

function show(file: File, to = NEW): Upload {
  const upload: Upload = { file, to, node: clone("upload-item"), xhr: null };
  const { node } = upload;
  node.querySelector("[data-name]")!.textContent = file.name;
  node.querySelector("[data-cancel]")!.setAttribute("aria-label", "Cancel " + file.name);
  node.querySelector("[data-cancel]")!.addEventListener("click", () => cancel(upload));
  node.querySelector("[data-again]")!.addEventListener("click", () => enqueue(upload));
  node.querySelector("[data-as-version]")!.addEventListener("click", () => enqueue(upload));
  node.querySelector("[data-as-other]")!.addEventListener("click", () => enqueue(upload, "/documents"));
  document.getElementById("uploads")!.append(node);
  showList();
  return upload;
}

function enqueue(upload: Upload, to = upload.to): void {
  upload.to = to;
  waiting.push(upload);
  say(upload, "wait", "Waits for the others");
  pump();
}

function pump(): void {
  while (running < PARALLEL && waiting.length) send(waiting.shift()!);
}

function send(upload: Upload): void {
  running++;
  const xhr = (upload.xhr = new XMLHttpRequest());
  const body = new FormData();
  body.append("file", upload.file, upload.file.name);
  xhr.open("POST", upload.to);
  xhr.setRequestHeader("Accept", "application/json");
  xhr.upload.onprogress = (e) => progress(upload, e.loaded / e.total);
  xhr.onload = () => done(upload, xhr);
  xhr.onerror = () => settle(upload, "fail", "The connection broke off. Your file is fine; try again.", true);
  xhr.onloadend = () => {
    running--;
    upload.xhr = null;
    pump();
  };
  progress(upload, 0);
  xhr.send(body);
}

function progress(upload: Upload, share: number): void {
  const percent = Math.round(100 * share);
  const { size } = upload.file;
  say(upload, "busy", share < 1 ? `Uploading · ${megabytes(size * share)} of ${megabytes(size)} MB` : "Checking");
  const meter = upload.node.querySelector("[data-meter] svg")!;
  meter.parentElement!.hidden = share === 1;
  meter.setAttribute("aria-valuenow", String(percent));
  meter.firstElementChild!.setAttribute("width", percent + "%");
  upload.node.querySelector("[data-shape] circle:last-of-type")?.setAttribute("stroke-dasharray", `${Math.max(0.06, share) * 37.7} 37.7`);
}

const megabytes = (bytes: number) => (bytes / (1 << 20)).toFixed(1);

function done(upload: Upload, xhr: XMLHttpRequest): void {
  if (signedOut(xhr.status)) return;
  let answer: Answer = {};
  try {
    answer = JSON.parse(xhr.responseText);
  } catch {
    // a proxy's page; the status has to do
  }
  if (answer.batch) return batchDone(upload, answer);
  if (xhr.status === 413) answer.message ??= "This file is too large for this server.";
  if (xhr.status === 409 && answer.same_name) return ask(upload, answer);
  if (xhr.status < 200 || xhr.status > 299) {
    const again = xhr.status === 429 || xhr.status >= 500;
    return settle(upload, "fail", answer.message ?? "The upload did not work. Your file is fine; try again.", again);
  }
  settle(upload, answer.duplicate ? "warn" : "ready", answer.message ?? "Uploaded");
  if (answer.duplicate) return;
  setTimeout(() => dismiss(upload), 4000);
  refreshList();
}

/** A ZIP: what was left out stays to be read, each file with its reason. */
function batchDone(upload: Upload, answer: Answer): void {
  const out = (answer.files ?? []).filter((f) => f.code);
  settle(upload, !out.length ? "ready" : answer.stored ? "warn" : "fail", answer.message ?? "Uploaded");
  const list = upload.node.querySelector<HTMLElement>("[data-files]")!;
  list.hidden = !out.length;
  list.replaceChildren(
    ...out.map((f) => {
      const line = clone("upload-file");
      line.querySelector("[data-name]")!.textContent = f.name;
      line.querySelector("[data-say]")!.textContent = f.message;
      return line;
    }),
  );
  if (!out.length) setTimeout(() => dismiss(upload), 4000);
  if (answer.stored) refreshList();
}

/** The name is known: nothing was stored until somebody says what the file is. */
function ask(upload: Upload, answer: Answer): void {
  settle(upload, "warn", answer.message!);
  upload.to = `/documents/${answer.same_name}/versions`;
  upload.node.querySelector<HTMLElement>("[data-choice]")!.hidden = false;
}

/** Ends an upload, well or not. What needs reading stays until it is closed. */
function settle(upload: Upload, shape: string, text: string, again = false): void {
  say(upload, shape, text);
  upload.node.querySelector<HTMLElement>("[data-again]")!.hidden = !again;
  upload.node.querySelector("[data-cancel]")!.setAttribute("aria-label", "Close " + upload.file.name);
  announce(`${upload.file.name}: ${text}`);
}

function say(upload: Upload, shape: string, text: string): void {
  const { node } = upload;
  if (node.dataset.is !== shape) {
    node.dataset.is = shape;
    const shapes = document.querySelector<HTMLTemplateElement>("#upload-shapes")!.content;
    node.querySelector("[data-shape]")!.replaceChildren(shapes.querySelector(`[data-s=${shape}]`)!.cloneNode(true));
  }
  const said = node.querySelector("[data-say]")!;
  said.textContent = text;
  said.classList.toggle("num", shape === "busy");
  for (const part of node.querySelectorAll<HTMLElement>("[data-meter], [data-again], [data-choice], [data-files]")) part.hidden = true;
}

function cancel(upload: Upload): void {
  const at = waiting.indexOf(upload);
  if (at >= 0) waiting.splice(at, 1);
  upload.xhr?.abort();
  dismiss(upload);
}

function dismiss(upload: Upload): void {
  upload.node.remove();
  showList();
}

function showList(): void {
  const box = document.querySelector<HTMLElement>("[data-uploads]");
  if (box) box.hidden = !document.getElementById("uploads")!.childElementCount;
}

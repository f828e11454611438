// Uploads: several files at once, three on their way at a time, each with its own progress, cancel and reason.

import { refreshList } from "./live";
import { announce, clone, signedOut } from "./parts";

const PARALLEL = 3;

interface Upload {
  file: File;
  node: HTMLElement;
  xhr: XMLHttpRequest | null;
}

const waiting: Upload[] = [];
let running = 0;

export function startUploads(): void {
  const form = () => document.querySelector<HTMLFormElement>("#upload");
  document.addEventListener("change", (e) => {
    const input = e.target as HTMLInputElement;
    if (input.id !== "files") return;
    add([...(input.files ?? [])]);
    input.value = ""; // the same file may be chosen again
  });
  document.addEventListener("click", (e) => {
    if ((e.target as Element).closest("[data-pick]")) document.getElementById("files")?.click();
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

function add(files: File[]): void {
  const most = Number(document.querySelector<HTMLElement>("#upload")!.dataset.max);
  for (const file of files) {
    const upload = show(file);
    if (file.size > most) settle(upload, "fail", "This file is larger than 25 MB. Split it, or save a smaller copy.");
    else if (!file.size) settle(upload, "fail", "This file is empty. Check it and upload it again.");
    else enqueue(upload);
  }
}

function show(file: File): Upload {
  const upload: Upload = { file, node: clone("upload-item"), xhr: null };
  const { node } = upload;
  node.querySelector("[data-name]")!.textContent = file.name;
  node.querySelector("[data-cancel]")!.setAttribute("aria-label", "Cancel " + file.name);
  node.querySelector("[data-cancel]")!.addEventListener("click", () => cancel(upload));
  node.querySelector("[data-again]")!.addEventListener("click", () => enqueue(upload));
  document.getElementById("uploads")!.append(node);
  showList();
  return upload;
}

function enqueue(upload: Upload): void {
  waiting.push(upload);
  say(upload, "wait", "Waits for the others");
  upload.node.querySelector<HTMLElement>("[data-meter]")!.hidden = true;
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
  xhr.open("POST", "/documents");
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
  let answer: { message?: string; duplicate?: boolean; code?: string } = {};
  try {
    answer = JSON.parse(xhr.responseText);
  } catch {
    // a proxy's page; the status has to do
  }
  if (xhr.status === 413) answer.message ??= "This file is too large for this server.";
  if (xhr.status < 200 || xhr.status > 299) {
    const again = xhr.status === 429 || xhr.status >= 500;
    return settle(upload, "fail", answer.message ?? "The upload did not work. Your file is fine; try again.", again);
  }
  settle(upload, answer.duplicate ? "warn" : "ready", answer.message ?? "Uploaded");
  if (answer.duplicate) return;
  setTimeout(() => dismiss(upload), 4000);
  refreshList();
}

/** Ends an upload, well or not. What needs reading stays until it is closed. */
function settle(upload: Upload, shape: string, text: string, again = false): void {
  say(upload, shape, text);
  upload.node.querySelector<HTMLElement>("[data-meter]")!.hidden = true;
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
  node.querySelector("[data-say]")!.textContent = text;
  node.querySelector<HTMLElement>("[data-again]")!.hidden = true;
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

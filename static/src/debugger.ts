// The debugger: a chunk is followed through the lists that it stands in, and the threshold is set by a slider or a number.

export function startDebugger(): void {
  document.addEventListener("click", onClick);
  document.addEventListener("pointerover", (e) => light(e.target as Element));
  document.addEventListener("focusin", (e) => light(e.target as Element));
  document.addEventListener("input", (e) => keepEqual(e.target as HTMLInputElement));
}

const all = (within: ParentNode, chunk: string) => within.querySelectorAll<HTMLElement | SVGElement>(`[data-chunk="${chunk}"]`);

/** Shows where the chunk under the pointer, or with the focus, stands in the other lists. */
function light(target: Element): void {
  const cell = target.closest<HTMLElement>(".flow .cell");
  for (const node of document.querySelectorAll(".flow [data-hot]")) node.removeAttribute("data-hot");
  if (cell) all(cell.closest("[data-flow]")!, cell.dataset.chunk!).forEach((node) => node.setAttribute("data-hot", ""));
}

/** Follows a chunk through the stages without loading the page again. */
function onClick(e: MouseEvent): void {
  const cell = (e.target as Element).closest<HTMLAnchorElement>("#pipeline .cell");
  if (!cell || e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
  e.preventDefault();
  const chunk = cell.dataset.chunk!;
  for (const node of document.querySelectorAll("#pipeline [data-on], .candidate[data-on]")) node.removeAttribute("data-on");
  for (const node of [...all(cell.closest("[data-flow]")!, chunk), ...all(document.getElementById("candidates")!, chunk)]) {
    node.setAttribute("data-on", "");
    if (node instanceof SVGPathElement) node.parentElement!.append(node); // above the others
  }
  const following = document.querySelector<HTMLElement>("[data-following]")!;
  following.textContent = cell.querySelector("[data-name]")!.textContent;
  const line = following.closest("span")!;
  line.hidden = false;
  line.previousElementSibling!.setAttribute("hidden", "");
  history.replaceState(history.state, "", cell.href.replace(/#.*/, ""));
}

/** A slider and its field say the same. */
function keepEqual(changed: HTMLInputElement): void {
  const form = changed.form;
  if (!form) return;
  const field = changed.dataset.slider && form.querySelector<HTMLInputElement>("#" + changed.dataset.slider);
  if (field) field.value = changed.value;
  const slider = changed.id && form.querySelector<HTMLInputElement>(`[data-slider="${changed.id}"]`);
  if (slider) slider.value = changed.value;
}

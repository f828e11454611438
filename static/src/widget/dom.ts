// Elements without HTML: the page may enforce Trusted Types, and nothing we show is trusted.

export function h(tag: string, cls: string, ...children: (Node | string)[]): HTMLElement {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  node.append(...children);
  return node;
}

/** A button; label is its accessible name where its children do not already say it. */
export function button(cls: string, label: string, click: () => void, ...children: (Node | string)[]): HTMLButtonElement {
  const node = h("button", cls, ...children) as HTMLButtonElement;
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  node.addEventListener("click", click);
  return node;
}

export type Icon = keyof typeof icons;

const icons = {
  ask: "M21 12a9 9 0 0 1-13.2 8L3 21l1-4.8A9 9 0 1 1 21 12Z M9.4 9.6a2.7 2.7 0 0 1 5.2.9c0 1.8-2.6 2.4-2.6 3.6 M12 17v.01",
  close: "M18 6 6 18 M6 6l12 12",
  down: "m6 9 6 6 6-6",
  send: "M12 19V5 m-7 7 7-7 7 7",
  stop: "M7 7h10v10H7Z",
  again: "M4 4v5h5 M4.6 9A8 8 0 1 1 4 13",
  back: "M19 12H5 m7 7-7-7 7-7",
  note: "M12 8v4.5 M12 16v.01 M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
};

export function icon(name: Icon): SVGElement {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const path = document.createElementNS(ns, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `i-${name}`);
  path.setAttribute("d", icons[name]);
  svg.append(path);
  return svg;
}

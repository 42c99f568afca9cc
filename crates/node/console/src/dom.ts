// Building elements. Text only ever becomes text: nothing here parses markup, so no name from the
// tree or from a member can become an element or an attribute it was not put into.

type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | EventListener>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/** Sets text only if it differs, so that selections and screen readers are left in peace. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Puts these children in, and nothing else, moving only what is out of place. */
export function arrange(parent: Element, children: Element[]): void {
  let at = parent.firstElementChild;
  for (const child of children) {
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

/** A panel with a heading. */
export function panel(title: string, attributes: Attributes, ...children: Child[]): HTMLElement {
  const section = h("section", { "aria-label": title, ...attributes }, h("h2", {}, title));
  section.classList.add("panel");
  append(section, children);
  return section;
}

/** A bar that shows a share, beside text that says it. */
export class Bar {
  readonly element: HTMLElement;
  private readonly fill = h("span", { class: "fill" });

  constructor() {
    this.element = h("span", { class: "bar", "aria-hidden": "true" }, this.fill);
  }

  set(ratio: number, tone = ""): void {
    const width = `${(Math.min(Math.max(ratio, 0), 1) * 100).toFixed(1)}%`;
    if (this.fill.style.width !== width) this.fill.style.width = width;
    setAttribute(this.element, "class", `bar ${tone}`.trim());
  }
}

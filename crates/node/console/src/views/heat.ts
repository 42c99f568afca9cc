// All nodes in a strip: one cell each, darker the more of its capacity is in use; whoever is not well
// shows its shape. The table below says the same to those who cannot see it.

import { arrange, h, setAttribute, setText } from "../dom";
import { counted, percent } from "../format";
import type { MemberStatus } from "../model";
import { look, memberHref } from "../state";

const STEPS = 6;

export class Heat {
  readonly element: HTMLElement;
  private readonly strip = h("div", { class: "heat", role: "img" });
  private readonly cells = new Map<string, HTMLAnchorElement>();

  constructor() {
    const steps = Array.from({ length: STEPS }, (_, step) => h("i", { class: `cell h${step}` }));
    const key = h("p", { class: "heatkey dim", "aria-hidden": "true" }, "idle ", ...steps, " full");
    this.element = h("div", {}, this.strip, key);
  }

  update(nodes: MemberStatus[]): void {
    const names = new Set(nodes.map((node) => node.name));
    for (const name of this.cells.keys()) if (!names.has(name)) this.cells.delete(name);
    arrange(
      this.strip,
      nodes.map((node) => this.cell(node)),
    );
    const ready = nodes.filter((node) => look(node).word === "ready").length;
    const busy = nodes.filter((node) => use(node) > 0.9).length;
    setAttribute(
      this.strip,
      "aria-label",
      `${counted(nodes.length, "node")}: ${ready} ready, ${busy} above 90 % of their capacity`,
    );
  }

  private cell(node: MemberStatus): HTMLAnchorElement {
    let cell = this.cells.get(node.name);
    if (!cell) {
      // Two hundred stops for the keyboard would be a wall; the table has the same links.
      cell = h("a", { href: memberHref(node.name), tabindex: -1 });
      this.cells.set(node.name, cell);
    }
    const { shape, tone, word } = look(node);
    const isWell = word === "ready";
    setText(cell, isWell ? "" : shape);
    setAttribute(cell, "class", isWell ? `cell h${step(use(node))}` : `cell ${tone}`);
    setAttribute(cell, "title", `${node.name}: ${word}, ${percent(use(node))} in use`);
    return cell;
  }
}

function use(node: MemberStatus): number {
  return node.capacity_bytes_per_s > 0 ? node.egress_bytes_per_s / node.capacity_bytes_per_s : 0;
}

function step(ratio: number): number {
  return ratio < 0.01 ? 0 : Math.min(STEPS - 1, 1 + Math.floor(ratio * (STEPS - 1)));
}

// A table whose rows stay the same elements while their figures change: sorted by its heads, moved
// through by the arrow keys.

import { arrange, h, setAttribute, setText } from "./dom";

export interface Column<T> {
  key: string;
  title: string;
  /** Said for the heading where the title is too short to be understood alone. */
  hint?: string;
  /** What CSS is to know of it: `number`, `wide` (hidden on phones). */
  kind?: string;
  /** What the row is sorted by; none if it cannot be. */
  sort?: (row: T) => number | string;
  /** Makes the cell's content once. Returns how to bring it up to date. */
  cell: (cell: HTMLTableCellElement) => (row: T) => void;
}

interface Row<T> {
  element: HTMLTableRowElement;
  update: ((row: T) => void)[];
}

export class Table<T> {
  readonly element: HTMLElement;
  private readonly body = h("tbody");
  private readonly rows = new Map<string, Row<T>>();
  private readonly heads = new Map<string, HTMLTableCellElement>();
  private readonly empty: HTMLElement;
  private last: T[] = [];
  private sorted: { key: string; down: boolean } | null = null;

  constructor(
    private readonly columns: Column<T>[],
    private readonly options: {
      caption: string;
      empty: string;
      id: (row: T) => string;
      /** The order when no heading was chosen. */
      order?: (a: T, b: T) => number;
      /** A class of the row. */
      tone?: (row: T) => string;
    },
  ) {
    const head = h("tr", {}, ...columns.map((column) => this.head(column)));
    this.empty = h("p", { class: "empty" }, options.empty);
    const table = h("table", {}, h("caption", { class: "hidden" }, options.caption), h("thead", {}, head), this.body);
    this.element = h("div", { class: "scroll" }, table, this.empty);
    this.body.addEventListener("keydown", (event) => this.move(event));
  }

  set(rows: T[]): void {
    this.last = rows;
    const order = this.compare();
    const sorted = order ? [...rows].sort(order) : rows;
    const kept = new Set<string>();
    const elements = sorted.map((value) => {
      const id = this.options.id(value);
      kept.add(id);
      let row = this.rows.get(id);
      if (!row) {
        row = this.make();
        this.rows.set(id, row);
      }
      for (const update of row.update) update(value);
      setAttribute(row.element, "class", this.options.tone?.(value) ?? "");
      return row.element;
    });
    for (const id of this.rows.keys()) if (!kept.has(id)) this.rows.delete(id);
    arrange(this.body, elements);
    this.empty.hidden = rows.length > 0;
  }

  focusFirst(): void {
    this.body.querySelector<HTMLElement>("a")?.focus();
  }

  private make(): Row<T> {
    const element = h("tr");
    const update = this.columns.map((column) => {
      const cell = h("td", { class: column.kind });
      element.append(cell);
      return column.cell(cell);
    });
    return { element, update };
  }

  private head(column: Column<T>): HTMLTableCellElement {
    const cell = h("th", { scope: "col", class: column.kind, title: column.hint });
    this.heads.set(column.key, cell);
    if (column.sort) {
      cell.append(h("button", { type: "button", click: () => this.sortBy(column.key) }, column.title));
    } else {
      cell.append(column.title);
    }
    return cell;
  }

  /** First down for numbers and up for names, then the other way, then as it was. */
  private sortBy(key: string): void {
    const isNumber = this.columns.find((column) => column.key === key)?.kind?.includes("number") ?? false;
    if (this.sorted?.key !== key) this.sorted = { key, down: isNumber };
    else if (this.sorted.down === isNumber) this.sorted = { key, down: !isNumber };
    else this.sorted = null;
    for (const [name, head] of this.heads) {
      if (this.sorted?.key === name) head.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    this.set(this.last);
  }

  private compare(): ((a: T, b: T) => number) | undefined {
    const sorted = this.sorted;
    const by = sorted && this.columns.find((column) => column.key === sorted.key)?.sort;
    if (!sorted || !by) return this.options.order;
    return (a, b) => {
      const [x, y] = sorted.down ? [by(b), by(a)] : [by(a), by(b)];
      return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    };
  }

  private move(event: KeyboardEvent): void {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 };
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const links = [...this.body.querySelectorAll<HTMLElement>("tr a:first-of-type")];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const next = links[at + step];
    if (at >= 0 && next) {
      next.focus();
      event.preventDefault();
    }
  }
}

/** A column of plain text. */
export function text<T>(key: string, title: string, say: (row: T) => string, more: Partial<Column<T>> = {}): Column<T> {
  return { key, title, cell: (cell) => (row) => setText(cell, say(row)), ...more };
}

// What has happened lately, with the reasons.

import { h, panel, setAttribute, setText } from "../dom";
import { clock } from "../format";
import type { FleetEvent } from "../model";
import { memberHref } from "../state";
import { Table, text } from "../table";
import type { Context, View } from "../view";

const SHOWN_MAX = 300;
const RANKS: Record<string, number> = { error: 3, warn: 2, info: 1 };

export class EventsView implements View {
  readonly title = "Events";
  readonly element: HTMLElement;
  private readonly table = eventTable("Nothing has happened yet.");
  private readonly none = h("p", { class: "empty" }, "This node keeps no events. They are in its log.");
  private readonly level = h(
    "select",
    { id: "level" },
    h("option", { value: "1" }, "all"),
    h("option", { value: "2" }, "warnings and errors"),
    h("option", { value: "3" }, "errors"),
  );
  private readonly filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the events", autocomplete: "off", spellcheck: "false" });
  private readonly unheard: () => void;

  constructor(private readonly context: Context) {
    const tools = h("p", { class: "tools" }, h("label", { for: "level" }, "Show "), this.level, this.filter);
    this.element = h("div", { class: "events" }, panel("Events", {}, tools, this.none, this.table.element));
    this.level.addEventListener("change", () => this.show());
    this.filter.addEventListener("input", () => this.show());
    this.unheard = context.events.onChange(() => this.show());
    this.show();
  }

  update(): void {
    // Events come by themselves.
  }

  destroy(): void {
    this.unheard();
  }

  private show(): void {
    const { list, isKept } = this.context.events;
    this.none.hidden = isKept !== false;
    this.table.element.hidden = isKept === false;
    const least = Number(this.level.value);
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = list.filter((event) => {
      const about = `${event.event} ${event.text} ${JSON.stringify(event.fields)}`.toLowerCase();
      return (RANKS[event.level] ?? 1) >= least && words.every((word) => about.includes(word));
    });
    this.table.set(found.slice(0, SHOWN_MAX));
  }
}

/** The fields but the member, which has a column of its own. */
function details(event: FleetEvent): string {
  const fields = Object.entries(event.fields).filter(([name]) => name !== "member");
  return fields.map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");
}

export function eventTable(empty: string): Table<FleetEvent> {
  return new Table(
    [
      {
        key: "at",
        title: "Time",
        kind: "time",
        cell: (cell) => (event) => {
          setText(cell, clock(Date.parse(event.at)));
          setAttribute(cell, "title", event.at);
        },
      },
      {
        key: "level",
        title: "Level",
        cell: (cell) => {
          const word = h("span");
          cell.append(word);
          return (event) => {
            setText(word, event.level);
            setAttribute(word, "class", `level ${event.level}`);
          };
        },
      },
      {
        key: "member",
        title: "Node",
        cell: (cell) => (event) => {
          const name = event.fields["member"];
          cell.replaceChildren(typeof name === "string" ? h("a", { href: memberHref(name) }, name) : "");
        },
      },
      {
        key: "text",
        title: "What",
        kind: "prose",
        cell: (cell) => {
          const [said, more] = [h("span"), h("span", { class: "narrow dim" })];
          cell.append(said, more);
          return (event) => {
            setText(said, event.text);
            setText(more, details(event));
          };
        },
      },
      text("details", "Details", details, { kind: "prose wide" }),
    ],
    { caption: "Events, newest first", empty, id: (event) => String(event.seq) },
  );
}

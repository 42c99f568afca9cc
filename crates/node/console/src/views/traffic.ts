// What is going out now, what is asked for most, and what was decided last.

import { Bar, h, panel, setAttribute, setText } from "../dom";
import { clock, count, duration, path, percent, rate, seconds, size } from "../format";
import type { Decided, FileDemand, FlowEntry } from "../model";
import { memberHref } from "../state";
import { Table, text, type Column } from "../table";
import type { Context, View } from "../view";

type Timed = Decided & { at: number };

export class TrafficView implements View {
  readonly title = "Traffic";
  readonly element: HTMLElement;
  private readonly flows = flowTable();
  private readonly files = fileTable();
  private readonly decisions = decisionTable("Nothing was decided yet: bodies below 64 KiB are served without asking.");
  private readonly pause = h("button", { type: "button", "aria-pressed": "false", click: () => this.toggle() }, "Hold still");
  private isHeld = false;

  constructor(private readonly context: Context) {
    this.element = h(
      "div",
      { class: "traffic" },
      panel("Flows in progress", {}, h("p", { class: "dim" }, "The largest that this node sends now."), this.flows.element),
      panel(
        "Files asked for most",
        {},
        h("p", { class: "dim" }, "In the last two to four minutes, at this node, whoever served them."),
        this.files.element,
      ),
      panel("Decisions", {}, h("p", { class: "tools" }, this.pause, h("span", { class: "dim" }, "Newest first.")), this.decisions.element),
    );
  }

  update(): void {
    const { store } = this.context;
    this.flows.set(store.flows);
    this.files.set(store.files);
    if (!this.isHeld) this.decisions.set(store.decided.slice(0, 100));
  }

  private toggle(): void {
    this.isHeld = !this.isHeld;
    this.pause.setAttribute("aria-pressed", String(this.isHeld));
    this.update();
  }
}

/** A file as a link to why it is served by whom. */
function fileCell<T>(url: (row: T) => string | undefined, otherwise: (row: T) => string): Column<T>["cell"] {
  return (cell) => {
    const link = h("a", { class: "path" });
    cell.append(link);
    return (row) => {
      const to = url(row);
      setText(link, to === undefined ? otherwise(row) : path(to));
      if (to === undefined) link.removeAttribute("href");
      else setAttribute(link, "href", `#/explain/${encodeURIComponent(path(to))}`);
      setAttribute(link, "title", to === undefined ? "" : path(to));
    };
  };
}

function slashed(url: string): string {
  return url.startsWith("/") ? url : `/${url}`;
}

function flowTable(): Table<FlowEntry> {
  const done = (one: FlowEntry): number => (one.bytes > 0 ? one.sent_bytes / one.bytes : 0);
  const speed = (one: FlowEntry): number => one.sent_bytes / Math.max(one.age_ms / 1000, 0.001);
  return new Table(
    [
      { key: "path", title: "File", sort: (one) => one.path, cell: fileCell((one) => one.path, () => "") },
      text("client", "Client", (one) => one.client, { hint: "Its network", sort: (one) => one.client }),
      text("from", "From", (one) => one.member ?? "this node", { kind: "wide", sort: (one) => one.member ?? "" }),
      {
        key: "done",
        title: "Done",
        kind: "number use",
        sort: done,
        cell: (cell) => {
          const [bar, said] = [new Bar(), h("span")];
          cell.append(bar.element, said);
          return (one) => {
            bar.set(done(one));
            setText(said, one.bytes > 0 ? percent(done(one)) : "?");
          };
        },
      },
      text("size", "Size", (one) => (one.bytes > 0 ? size(one.bytes) : "not known"), { kind: "number", sort: (one) => one.bytes }),
      text("rate", "Rate", (one) => rate(speed(one)), { kind: "number wide", sort: speed }),
      text("age", "For", (one) => duration(one.age_ms), { kind: "number wide", sort: (one) => one.age_ms }),
    ],
    {
      caption: "Flows in progress",
      empty: "This node sends nothing larger than 32 KiB now.",
      id: (one) => `${one.path} ${one.client} ${one.member ?? ""} ${one.bytes} ${Math.round((Date.now() - one.age_ms) / 2000)}`,
    },
  );
}

function fileTable(): Table<FileDemand> {
  return new Table(
    [
      { key: "path", title: "File", sort: (one) => one.path, cell: fileCell((one) => slashed(one.path), () => "") },
      text("bytes", "Asked for", (one) => `${one.surplus_bytes > 0 ? "≤ " : ""}${size(one.bytes)}`, {
        kind: "number",
        hint: "Bytes of the bodies asked for",
        sort: (one) => one.bytes,
      }),
      text("requests", "Requests", (one) => count(one.requests), { kind: "number", sort: (one) => one.requests }),
    ],
    { caption: "Files asked for most", empty: "Nobody has asked for anything lately.", id: (one) => one.path },
  );
}

export function decisionTable(empty: string): Table<Timed> {
  return new Table(
    [
      text("at", "Time", (one) => clock(one.at), { kind: "time" }),
      { key: "file", title: "File", cell: fileCell((one) => one.path && slashed(one.path), (one) => one.root.slice(0, 16)) },
      text("client", "Client", (one) => one.client, { kind: "wide" }),
      text("size", "Size", (one) => `${size(one.bytes)}${one.part === "whole" ? "" : ` ${one.part}`}`, {
        kind: "number wide",
      }),
      {
        key: "decision",
        title: "Decision",
        cell: (cell) => {
          const word = h("span");
          const link = h("a");
          cell.append(word, " ", link);
          return (one) => {
            setText(word, one.instead_of ? `${one.decision}, instead of ${one.instead_of},` : one.decision);
            setText(link, one.choice ?? "");
            if (one.choice) setAttribute(link, "href", memberHref(one.choice));
            setAttribute(cell, "class", one.decision === "reject" ? "bad" : "");
          };
        },
      },
      text("cost", "Cost", (one) => seconds(one.cost_s), { kind: "number wide", hint: "What the chosen one was to cost" }),
      text("candidates", "Of", (one) => count(one.candidates), { kind: "number wide", hint: "Candidates" }),
    ],
    { caption: "Decisions", empty, id: (one) => String(one.number) },
  );
}

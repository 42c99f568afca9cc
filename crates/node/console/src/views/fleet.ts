// The fleet at a glance: what is wrong, what it carries, and every node in a line.

import { append, Bar, h, panel, setAttribute, setHidden, setText } from "../dom";
import { count, counted, percent, rate, size } from "../format";
import type { MemberStatus } from "../model";
import { Plot } from "../plot";
import { badge, look, memberHref } from "../state";
import { urgency } from "../store";
import { Table, text, type Column } from "../table";
import type { Context, View } from "../view";
import { Heat } from "./heat";
import { PolicyBox } from "./policy";

/** In a smaller fleet the table shows it all at once. */
const HEAT_MIN = 12;
/** Problems of members that are named one by one. */
const NAMED_MAX = 6;

export class FleetView implements View {
  readonly title = "Fleet";
  readonly element: HTMLElement;
  private readonly figures = new Figures();
  private readonly problems = h("ul", { class: "problems" });
  private readonly problemPanel = panel("Problems", { class: "alarm" }, this.problems);
  private readonly plot = new Plot("Throughput", [
    { label: "fleet", colour: "--line-a", fill: true },
    { label: "this node", colour: "--line-b" },
  ]);
  private readonly heat = new Heat();
  private readonly heatPanel = panel("Nodes by load", {}, this.heat.element);
  private readonly table: Table<MemberStatus>;
  private readonly filter = h("input", {
    type: "search",
    id: "filter",
    placeholder: "Filter: name, zone, state, version",
    "aria-label": "Filter the nodes by name, zone, state or version",
    autocomplete: "off",
    spellcheck: "false",
  });
  private readonly shown = h("span", { class: "dim", role: "status" });
  private readonly policy: PolicyBox;
  private problemKey = "";

  constructor(private readonly context: Context) {
    this.policy = new PolicyBox(context);
    this.table = new Table(columns(context), {
      caption: "All nodes, those with problems first",
      empty: "No node matches the filter.",
      id: (member) => member.name,
      order: (a, b) => this.order(a, b),
      tone: (member) => (urgency(member) > 2 ? "urgent" : ""),
    });
    this.filter.addEventListener("input", () => this.update());
    this.filter.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") this.table.focusFirst();
      if (event.key !== "Escape") return;
      this.filter.value = "";
      this.update();
    });
    this.element = h(
      "div",
      { class: "fleet" },
      this.figures.element,
      this.problemPanel,
      panel("Throughput", {}, this.plot.element),
      this.heatPanel,
      panel("Nodes", {}, h("p", { class: "tools" }, this.filter, this.shown, this.policy.element), this.table.element),
    );
  }

  update(): void {
    const { store } = this.context;
    if (!store.status) return;
    const nodes = store.nodes;
    this.figures.update(this.context, nodes);
    this.tell(store.status.problems, nodes);
    this.policy.update();
    this.plot.set([store.series.at, store.series.fleet, store.series.own]);
    setHidden(this.heatPanel, nodes.length < HEAT_MIN);
    this.heat.update([...nodes].sort((a, b) => this.order(a, b)));
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = nodes.filter((node) => {
      const about = `${node.name} ${node.zone ?? ""} ${look(node).word} ${node.version} ${node.url}`.toLowerCase();
      return words.every((word) => about.includes(word));
    });
    setText(this.shown, words.length > 0 ? `${count(found.length)} of ${count(nodes.length)}` : "");
    this.table.set(found);
  }

  destroy(): void {
    this.plot.destroy();
  }

  focusFilter(): void {
    this.filter.focus();
  }

  /** The most urgent first, then the node that answers, then by name. */
  private order(a: MemberStatus, b: MemberStatus): number {
    const own = this.context.store.status?.node.name;
    const first = Number(b.name === own) - Number(a.name === own);
    return urgency(b) - urgency(a) || first || a.name.localeCompare(b.name, "en", { numeric: true });
  }

  private tell(problems: string[], nodes: MemberStatus[]): void {
    const bad = nodes.filter((node) => urgency(node) > 2).sort((a, b) => urgency(b) - urgency(a));
    const key = JSON.stringify([problems, bad.map((node) => [node.name, look(node).word, node.condition])]);
    setHidden(this.problemPanel, problems.length + bad.length === 0);
    if (key === this.problemKey) return;
    this.problemKey = key;
    this.problems.replaceChildren(...problems.map((problem) => h("li", {}, problem)));
    for (const node of bad.slice(0, NAMED_MAX)) this.problems.append(problemOf(node));
    if (bad.length > NAMED_MAX) {
      this.problems.append(h("li", {}, `and ${counted(bad.length - NAMED_MAX, "node")} more: see below`));
    }
  }
}

function problemOf(node: MemberStatus): HTMLElement {
  const { shape, tone, word } = look(node);
  const reasons = [word === "ready" ? null : word, node.condition];
  if (node.error_ratio > 0.02) reasons.push(`${percent(node.error_ratio)} of its recent flows failed`);
  return h(
    "li",
    {},
    h("span", { class: `shape ${tone}`, "aria-hidden": "true" }, shape),
    h("a", { href: memberHref(node.name) }, node.name),
    `: ${reasons.filter(Boolean).join("; ")}`,
  );
}

/** The figures at the top. */
class Figures {
  readonly element = h("dl", { class: "figures" });
  private readonly egress = this.figure("Throughput");
  private readonly used = this.figure("Capacity in use");
  private readonly flows = this.figure("Flows");
  private readonly states = this.figure("Members");
  private readonly offloaded = this.figure("Offloaded");
  private readonly catalog = this.figure("Catalog");

  update({ store }: Context, nodes: MemberStatus[]): void {
    const status = store.status;
    if (!status) return;
    const egress = store.fleetEgress;
    const able = nodes.filter((node) => node.state === "ready");
    const capacity = able.reduce((sum, node) => sum + node.capacity_bytes_per_s, 0);
    const flows = nodes.reduce((sum, node) => sum + node.flows, 0);
    this.egress(rate(egress), `this node ${rate(status.node.egress_bytes_per_s)}`);
    const ofAble = able.reduce((sum, node) => sum + node.egress_bytes_per_s, 0);
    this.used(percent(capacity > 0 ? ofAble / capacity : 0), `of ${rate(capacity)}`);
    this.flows(count(flows), `${count(status.node.flows)} on this node`);
    const members = [...store.members.values()];
    const ready = members.filter((member) => look(member).word === "ready").length;
    this.states(`${count(ready)} of ${count(members.length)}`, "ready");
    const { serve = 0, redirect = 0, relay = 0 } = status.decisions ?? {};
    const all = serve + redirect + relay;
    this.offloaded(all > 0 ? percent((redirect + relay) / all) : "–", `of ${counted(all, "decision")}`);
    const { catalog } = status;
    this.catalog(counted(catalog.files, "file"), `${size(catalog.bytes)}, revision ${count(catalog.revision)}`);
  }

  private figure(name: string): (value: string, more: string) => void {
    const value = h("dd", { class: "value" });
    const more = h("dd", { class: "dim" });
    append(this.element, [h("div", {}, h("dt", {}, name), value, more)]);
    return (said, said_more) => {
      setText(value, said);
      setText(more, said_more);
    };
  }
}

function columns({ store }: Context): Column<MemberStatus>[] {
  return [
    {
      key: "name",
      title: "Node",
      sort: (member) => member.name,
      cell: (cell) => {
        const link = h("a", { class: "name" });
        cell.append(link);
        return (member) => {
          setText(link, member.name);
          setAttribute(link, "href", memberHref(member.name));
        };
      },
    },
    {
      key: "state",
      title: "State",
      sort: (member) => look(member).word,
      cell: (cell) => {
        const { element, set } = badge();
        cell.append(element);
        return (member) => {
          set(member);
          setAttribute(cell, "title", member.condition ?? "");
        };
      },
    },
    text("zone", "Zone", (member) => member.zone ?? "–", { kind: "wide", sort: (member) => member.zone ?? "" }),
    {
      key: "share",
      title: "Share",
      hint: "Share of what the fleet sends now",
      kind: "number wide",
      sort: (member) => member.egress_bytes_per_s,
      cell: (cell) => (member) => setText(cell, percent(member.egress_bytes_per_s / Math.max(store.fleetEgress, 1))),
    },
    text("egress", "Egress", (member) => rate(member.egress_bytes_per_s), {
      kind: "number",
      sort: (member) => member.egress_bytes_per_s,
    }),
    {
      key: "use",
      title: "In use",
      hint: "Egress as a share of capacity",
      kind: "number use",
      sort: (member) => used(member),
      cell: (cell) => {
        const [bar, said] = [new Bar(), h("span")];
        cell.append(bar.element, said);
        return (member) => {
          bar.set(used(member), used(member) > 0.9 ? "warn" : "");
          setText(said, percent(used(member)));
          setAttribute(cell, "title", `of ${rate(member.capacity_bytes_per_s)}`);
        };
      },
    },
    text("flows", "Flows", (member) => count(member.flows), { kind: "number", sort: (member) => member.flows }),
    text("lag", "Behind", (member) => (member.lag_revisions > 0 ? `${count(member.lag_revisions)} rev` : "–"), {
      hint: "Revisions of the catalog that it has not completed",
      kind: "number wide",
      sort: (member) => member.lag_revisions,
    }),
    text("missing", "To fetch", (member) => (member.missing_bytes > 0 ? size(member.missing_bytes) : "–"), {
      kind: "number wide",
      sort: (member) => member.missing_bytes,
    }),
    text("errors", "Errors", (member) => (member.error_ratio > 0 ? percent(member.error_ratio) : "–"), {
      hint: "Share of recent flows that failed",
      kind: "number wide",
      sort: (member) => member.error_ratio,
    }),
    text("version", "Version", (member) => member.version || "–", { kind: "wide", sort: (member) => member.version }),
  ];
}

export function used(member: MemberStatus): number {
  return member.capacity_bytes_per_s > 0 ? member.egress_bytes_per_s / member.capacity_bytes_per_s : 0;
}

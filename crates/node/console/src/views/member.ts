// One node: its figures, its last ten minutes, what was decided and happened about it, and what an
// admin may order.

import { api } from "../api";
import { Bar, h, panel, setHidden, setText } from "../dom";
import { clock, count, duration, percent, rate, size } from "../format";
import type { MemberStatus } from "../model";
import { Plot } from "../plot";
import { badge } from "../state";
import { SECONDS_MAX } from "../store";
import type { Context, View } from "../view";
import { eventTable } from "./events";
import { used } from "./fleet";
import { decisionTable } from "./traffic";

type Fact = [name: string, say: (member: MemberStatus) => string];

const FACTS: Fact[] = [
  ["Flows", (member) => count(member.flows)],
  ["Behind", (member) => (member.lag_revisions > 0 ? `${count(member.lag_revisions)} revisions` : "up to date")],
  ["To fetch", (member) => (member.missing_bytes > 0 ? `${size(member.missing_bytes)} in ${count(member.missing_objects)} objects` : "nothing")],
  ["Failed lately", (member) => percent(member.error_ratio)],
  ["Processors", (member) => percent(member.cpu_ratio)],
  ["Waits for disk", (member) => percent(member.disk_ratio)],
  ["Sent since start", (member) => `${size(member.bytes_served)} in ${count(member.flows_served)} flows`],
  ["Cut, failed", (member) => `${count(member.flows_cut)}, ${count(member.errors)}`],
  ["Zone", (member) => member.zone ?? "–"],
  ["Version", (member) => member.version || "–"],
];

export class MemberView implements View {
  readonly title: string;
  readonly element: HTMLElement;
  private readonly state = badge();
  private readonly since = h("span", { class: "dim" });
  private readonly condition = h("p", { class: "note" });
  private readonly link = h("a", { rel: "noreferrer" });
  private readonly egress = h("b");
  private readonly capacity = h("span", { class: "dim" });
  private readonly bar = new Bar();
  private readonly facts = FACTS.map(() => h("dd"));
  private readonly plot = new Plot("Egress", [{ label: "egress", colour: "--line-a", fill: true }]);
  private readonly orders = h("p", { class: "buttons orders" });
  private readonly absent = h("p", { class: "empty" }, "This node knows of no such member.");
  private readonly known: HTMLElement;
  private readonly decisions = decisionTable("Nothing was decided for it lately.");
  private readonly events = eventTable("Nothing has happened about it that this node remembers.");
  private readonly series = { at: [] as number[], egress: [] as number[] };
  private readonly unheard: (() => void)[];
  private offered = "";

  constructor(
    private readonly context: Context,
    private readonly name: string,
  ) {
    this.title = name;
    const facts = FACTS.map(([name], at) => h("div", {}, h("dt", {}, name), this.facts[at]));
    this.known = h(
      "div",
      {},
      panel(
        "State",
        {},
        h("p", { class: "headline" }, this.state.element, this.since),
        this.condition,
        h("p", { class: "gauge" }, this.egress, this.bar.element, this.capacity),
        h("dl", { class: "facts" }, ...facts),
        this.orders,
      ),
      panel("Egress", {}, this.plot.element),
      panel("Decisions for it", {}, this.decisions.element),
      panel("Events", {}, this.events.element),
    );
    this.element = h("div", { class: "member" }, h("h1", {}, name, " ", h("small", {}, this.link)), this.absent, this.known);
    this.unheard = [
      context.admin.onChange(() => this.update()),
      context.events.onChange(() => this.updateEvents()),
    ];
    this.updateEvents();
    void this.load();
  }

  update(): void {
    const { store } = this.context;
    const member = store.nodes.find((node) => node.name === this.name);
    setHidden(this.absent, member !== undefined || store.status === null);
    setHidden(this.known, member === undefined);
    if (!member) return;
    this.state.set(member);
    setText(this.since, ` since ${clock(member.since_unix_ms)}, for ${duration(store.atUnixMs - member.since_unix_ms)}`);
    setText(this.condition, member.condition ?? "");
    setHidden(this.condition, member.condition === undefined);
    if (/^https?:/.test(member.url)) this.link.href = `${member.url}/-/#/`;
    setText(this.link, member.url);
    setText(this.egress, rate(member.egress_bytes_per_s));
    this.bar.set(used(member), used(member) > 0.9 ? "warn" : "");
    setText(this.capacity, `${percent(used(member))} of ${rate(member.capacity_bytes_per_s)}`);
    FACTS.forEach(([, say], at) => setText(this.facts[at] as HTMLElement, say(member)));
    this.push(store.atUnixMs / 1000, member.egress_bytes_per_s);
    this.decisions.set(store.decided.filter((one) => one.choice === this.name || one.instead_of === this.name).slice(0, 20));
    this.offer(member);
  }

  destroy(): void {
    for (const unheard of this.unheard) unheard();
    this.plot.destroy();
  }

  private updateEvents(): void {
    const list = this.context.events.list.filter((event) => event.fields["member"] === this.name);
    this.events.set(list.slice(0, 30));
  }

  /** The minutes before this page was opened. */
  private async load(): Promise<void> {
    const { own, series } = this.context.store;
    const history = await api.history(this.name).catch(() => null);
    const before =
      this.name === own?.name
        ? { at: series.at, egress: series.own }
        : { at: history?.at_unix_ms.map((ms) => ms / 1000) ?? [], egress: history?.egress_bytes_per_s ?? [] };
    const first = this.series.at[0] ?? Infinity;
    const older = before.at.filter((at) => at < first).length;
    this.series.at.unshift(...before.at.slice(0, older));
    this.series.egress.unshift(...before.egress.slice(0, older));
    this.plot.set([this.series.at, this.series.egress]);
  }

  private push(at: number, egress: number): void {
    const { series } = this;
    if (at > (series.at.at(-1) ?? 0)) {
      series.at.push(at);
      series.egress.push(egress);
      while (series.at.length > SECONDS_MAX) {
        series.at.shift();
        series.egress.shift();
      }
    }
    this.plot.set([series.at, series.egress]);
  }

  /** The orders that make sense now; none for who may not give them. */
  private offer(member: MemberStatus): void {
    const { admin, store } = this.context;
    const isMember = store.members.has(member.name) && store.status?.node.role === "server";
    const key = `${admin.session.is_admin} ${isMember} ${member.state}`;
    if (key === this.offered) return;
    this.offered = key;
    this.orders.replaceChildren();
    if (!isMember || !admin.session.is_admin) return;
    this.orders.append(member.state === "draining" ? this.undrain() : this.drain(), this.remove());
  }

  private drain(): HTMLButtonElement {
    const text = "It gets no new work and finishes what runs. Clients are sent to the others.";
    return this.order("drain", "Drain", { title: `Drain ${this.name}?`, text, verb: "Drain" });
  }

  private undrain(): HTMLButtonElement {
    const text = "It gets new work again, slowly at first.";
    return this.order("undrain", "Undrain", { title: `Undrain ${this.name}?`, text, verb: "Undrain" });
  }

  private remove(): HTMLButtonElement {
    const text = "It leaves the fleet at once and cannot come back until it is undrained by name.";
    const question = { title: `Remove ${this.name}?`, text, verb: "Remove", typed: this.name };
    return this.order("remove", "Remove…", question);
  }

  private order(order: string, label: string, question: Parameters<Context["admin"]["order"]>[1]): HTMLButtonElement {
    const click = (): void => void this.context.admin.order({ order, member: this.name }, question);
    return h("button", { type: "button", click, class: order === "remove" ? "bad" : "" }, label);
  }
}

// Why a file would be served by whom: the cost table of one question, which counts for nothing.

import { api } from "../api";
import { Bar, h, panel, setText } from "../dom";
import { count, rate, seconds, size } from "../format";
import type { Explanation } from "../model";
import { memberHref } from "../state";
import { Table, text } from "../table";
import type { Context, View } from "../view";

type Candidate = Explanation["candidates"][number];

const GROUNDS: Record<string, string> = {
  cost: "chosen by the policy",
  full: "nobody able has a slot free; it would wait, or be refused",
  nowhere: "nobody who could be reached has it",
  stays: "this node serves what it can while it is set so, or not busy",
  "too-small": "too small to be worth a redirect",
};

export class ExplainView implements View {
  readonly title = "Explain";
  readonly element: HTMLElement;
  private readonly path = h("input", { id: "path", placeholder: "/folder/file.iso", required: true, autocomplete: "off", spellcheck: "false" });
  private readonly from = h("input", { id: "from", placeholder: "your own", autocomplete: "off", spellcheck: "false" });
  private readonly answer = h("div", { class: "answer", "aria-live": "polite" });
  private asked = 0;

  constructor(
    private readonly context: Context,
    asked: string,
  ) {
    const form = h(
      "form",
      { class: "ask" },
      h("p", {}, h("label", { for: "path" }, "File"), this.path),
      h("p", {}, h("label", { for: "from" }, "Client's address"), this.from),
      h("button", { class: "primary" }, "Explain"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.explain();
    });
    const what = "Who would serve a file to a client now, what that would cost on every node, and why others cannot.";
    this.element = h("div", { class: "explain" }, panel("Explain", {}, h("p", { class: "dim" }, what), form), this.answer);
    this.path.value = asked;
    if (asked) void this.explain();
  }

  update(): void {
    // An answer is of its moment; it is asked for again by whoever wants another.
  }

  private async explain(): Promise<void> {
    const number = ++this.asked;
    try {
      const explanation = await api.explain(this.path.value.trim(), this.from.value.trim());
      if (number === this.asked) this.answer.replaceChildren(...this.show(explanation));
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (number === this.asked) this.answer.replaceChildren(h("p", { class: "panel wrong", role: "alert" }, said));
    }
  }

  private show(explanation: Explanation): HTMLElement[] {
    const table = candidates(explanation, this.context.store.status?.node.name ?? "");
    table.set(explanation.candidates);
    const verdict = h(
      "p",
      { class: "headline" },
      explanation.choice ? h("a", { href: memberHref(explanation.choice) }, explanation.choice) : "Nobody",
      `: ${GROUNDS[explanation.ground] ?? explanation.ground}`,
    );
    const isDrawn = explanation.ground === "cost" && explanation.candidates[0]?.node !== explanation.choice;
    const drawn = isDrawn && h("p", { class: "dim" }, "Near ties are drawn by lot, each time anew.");
    const zone = explanation.client_zone ? ` in ${explanation.client_zone}` : "";
    const busy = explanation.is_offloading ? "busy, so it sends away what it would otherwise serve" : "not busy";
    const about = h(
      "p",
      { class: "dim" },
      `${size(explanation.bytes)} for ${explanation.client}${zone}. Policy ${explanation.policy}; offload ${explanation.offload}; `,
      `${explanation.node} is ${busy}; ${count(explanation.waiting)} waiting.`,
    );
    const shown = [panel("Choice", {}, verdict, drawn, about), panel("Candidates, cheapest first", {}, table.element)];
    if (explanation.excluded.length > 0) {
      const rows = explanation.excluded.map(({ node, reason }) =>
        h("li", {}, h("a", { href: memberHref(node) }, node), `: ${reason}`),
      );
      shown.push(panel("Excluded", {}, h("ul", { class: "plain" }, ...rows)));
    }
    return shown;
  }
}

function candidates(explanation: Explanation, own: string): Table<Candidate> {
  const most = Math.max(...explanation.candidates.map((one) => Math.min(one.cost.total_s, 1e6)), 1e-9);
  const part = (key: keyof Candidate["cost"], title: string, hint: string) =>
    text<Candidate>(key, title, (one) => seconds(one.cost[key]), { kind: "number wide", hint, sort: (one) => one.cost[key] });
  const factor = (key: "penalty" | "bias", title: string, hint: string) =>
    text<Candidate>(key, title, (one) => `× ${one.cost[key].toFixed(2)}`, { kind: "number wide", hint, sort: (one) => one.cost[key] });
  return new Table<Candidate>(
    [
      {
        key: "node",
        title: "Node",
        sort: (one) => one.node,
        cell: (cell) => (one) => {
          cell.replaceChildren(h("a", { href: memberHref(one.node) }, one.node));
          if (one.node === explanation.choice) cell.append(h("b", { class: "chosen" }, " ✓", h("span", { class: "wide" }, " chosen")));
        },
      },
      text("by", "By", (one) => one.by ?? (one.node === own ? "itself" : "–")),
      text("weighed", "Weighed", (one) => (one.is_weighed ? "yes" : "no"), { kind: "wide", hint: "Whether the policy may choose it" }),
      {
        key: "total",
        title: "Cost",
        kind: "number use",
        sort: (one) => one.cost.total_s,
        cell: (cell) => (one) => {
          const [bar, said] = [new Bar(), h("span")];
          bar.set(one.cost.total_s / most);
          setText(said, seconds(one.cost.total_s));
          cell.replaceChildren(bar.element, said);
        },
      },
      part("net_s", "Net", "Redirect, handshakes and slow start"),
      part("send_s", "Send", "The flow alone at the node's capacity"),
      part("share_s", "Share", "What it shares with the flows already there, and takes from them"),
      part("client_s", "Client", "The flow at the rate this client has been seen to take"),
      factor("penalty", "Penalty", "Factor for recent failures"),
      factor("bias", "Bias", "Factor on everything for the node that decides"),
      text("flows", "Flows", (one) => count(one.flows), { kind: "number wide", sort: (one) => one.flows }),
      text("capacity", "Capacity", (one) => rate(one.capacity_bytes_per_s), { kind: "number wide", sort: (one) => one.capacity_bytes_per_s }),
    ],
    {
      caption: "Candidates and their costs",
      empty: "Nobody is able to serve it.",
      id: (one) => one.node,
      tone: (one) => (one.node === explanation.choice ? "chosen" : one.is_weighed ? "" : "faint"),
    },
  );
}

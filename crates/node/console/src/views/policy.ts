// The policy in force; who may give orders can choose another.

import { h, setHidden, setText } from "../dom";
import type { Context } from "../view";

const POLICIES = ["marginal-cost", "least-connections", "two-choices", "round-robin", "random", "alternate"];

export class PolicyBox {
  readonly element: HTMLElement;
  private readonly name = h("b");
  private readonly choice = h("select", { id: "policy" }, ...POLICIES.map((name) => h("option", { value: name }, name)));

  constructor(private readonly context: Context) {
    this.element = h("span", { class: "policy" }, h("label", { for: "policy" }, "Policy "), this.name, this.choice);
    this.choice.addEventListener("change", () => void this.order(this.choice.value));
  }

  update(): void {
    const { store, admin } = this.context;
    const policy = store.status?.policy;
    const mayChoose = admin.session.is_admin && store.status?.node.role === "server";
    setHidden(this.element, policy === undefined);
    setHidden(this.name, mayChoose);
    setHidden(this.choice, !mayChoose);
    setText(this.name, policy ?? "");
    if (policy !== undefined && document.activeElement !== this.choice) this.choice.value = policy;
  }

  private async order(policy: string): Promise<void> {
    const text = "It orders the candidates from now on, until the server is started again.";
    await this.context.admin.order({ order: "policy", policy }, { title: `Dispatch by ${policy}?`, text, verb: "Change" });
    this.choice.blur();
    this.update();
  }
}

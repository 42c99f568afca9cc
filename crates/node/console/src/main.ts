// The console: one page for the fleet as one node sees it. Views are chosen by the address after `#`,
// fed by one stream, and never ask for more than they show.

import { Admin } from "./admin";
import { Events } from "./events";
import { h, setAttribute, setHidden, setText } from "./dom";
import { duration } from "./format";
import { Live, type Link } from "./live";
import type { Snapshot } from "./model";
import { Store } from "./store";
import type { Context, View } from "./view";
import { EventsView } from "./views/events";
import { ExplainView } from "./views/explain";
import { FleetView } from "./views/fleet";
import { MemberView } from "./views/member";
import { SyncView } from "./views/sync";
import { TrafficView } from "./views/traffic";

const TABS: [name: string, title: string][] = [
  ["", "Fleet"],
  ["traffic", "Traffic"],
  ["sync", "Sync"],
  ["explain", "Explain"],
  ["events", "Events"],
];

class Page {
  private readonly context: Context = { store: new Store(), admin: new Admin(), events: new Events() };
  private readonly tabs = TABS.map(([name, title]) => h("a", { href: `#/${name}` }, title));
  private readonly node = h("span", { class: "node" });
  private readonly link = h("span", { class: "link", role: "status" });
  private readonly banner = h("p", { class: "banner", hidden: true });
  private readonly elsewhere = h("p", { class: "banner calm", hidden: true });
  private readonly main = h("main", { id: "main", tabindex: -1 });
  private readonly live: Live;
  private view: View | null = null;
  private route = "";
  private linked: Link = { kind: "connecting" };
  /** By our own clock. */
  private heardAt = 0;
  /** When the node started, by its clock. */
  private startedMs = 0;

  constructor() {
    const { store, admin } = this.context;
    const nav = h("nav", { "aria-label": "Views" }, ...this.tabs);
    nav.addEventListener("keydown", (event) => this.alongTabs(event));
    const brand = h("a", { class: "brand", href: "#/" }, "Overspill");
    document.body.append(
      h("a", { class: "skip", href: "#main", click: (event) => this.skip(event) }, "To the content"),
      h("header", {}, brand, this.node, nav, h("div", { class: "right" }, this.link, admin.element)),
      this.banner,
      this.elsewhere,
      this.main,
    );
    this.live = new Live("/-/api/live", {
      snapshot: (snapshot) => {
        store.snapshot(snapshot);
        this.met(snapshot);
      },
      sample: (sample) => store.sample(sample),
      link: (link) => this.become(link),
    });
    store.onChange(() => this.changed());
    admin.onChange(() => this.changed());
    addEventListener("hashchange", () => this.go());
    addEventListener("keydown", (event) => this.key(event));
    setInterval(() => this.tellLink(), 1000);
  }

  start(): void {
    this.go();
    this.live.start();
    this.context.events.start();
  }

  private go(): void {
    const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
    const argument = decode(rest.join("/"));
    if (`${name}/${argument}` === this.route) return;
    this.route = `${name}/${argument}`;
    this.view?.destroy?.();
    this.view = this.make(name, argument);
    this.main.replaceChildren(this.view.element);
    this.tabs.forEach((tab, at) => {
      const isHere = TABS[at]?.[0] === name || (at === 0 && name === "member");
      if (isHere) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
    scrollTo(0, 0);
    this.changed();
  }

  private make(name: string, argument: string): View {
    switch (name) {
      case "member":
        return new MemberView(this.context, argument);
      case "traffic":
        return new TrafficView(this.context);
      case "explain":
        return new ExplainView(this.context, argument);
      case "sync":
        return new SyncView(this.context);
      case "events":
        return new EventsView(this.context);
      default:
        return new FleetView(this.context);
    }
  }

  private changed(): void {
    const { status } = this.context.store;
    if (status) {
      const { role, name } = status.node;
      setText(this.node, role === name ? location.host : `${role} ${name}`);
      document.title = `${this.view?.title ?? ""} · ${location.host} · Overspill`;
    }
    const { server } = this.context.admin.session;
    setHidden(this.elsewhere, server === undefined);
    if (server !== undefined && /^https?:/.test(server)) {
      this.elsewhere.replaceChildren(
        "This is a mirror: it shows what it was told of the fleet. All of it, and orders, are at ",
        h("a", { href: server, rel: "noreferrer" }, server),
      );
    }
    setAttribute(this.main, "aria-busy", String(status === null));
    if (status) this.view?.update();
  }

  /** The node has said who it is; after a restart it knows nobody, and counts its events from the beginning. */
  private met({ at_unix_ms, status }: Snapshot): void {
    const { admin, events } = this.context;
    const startedMs = at_unix_ms - status.node.uptime_s * 1000;
    // Uptime is told in whole seconds, and its clock may be set.
    if (this.startedMs > 0 && Math.abs(startedMs - this.startedMs) > 3000) events.forget();
    this.startedMs = startedMs;
    void admin.refresh();
  }

  private become(link: Link): void {
    if (link.kind === "live") this.heardAt = Date.now();
    this.linked = link;
    this.tellLink();
  }

  /** How fresh everything is. Said aloud when it changes, not each second. */
  private tellLink(): void {
    const { linked } = this;
    const age = this.heardAt > 0 ? `as of ${duration(Date.now() - this.heardAt)} ago` : "nothing yet";
    setAttribute(this.link, "class", `link ${linked.kind}`);
    const words = { connecting: "connecting", live: "live", paused: "paused", away: "away" };
    setText(this.link, words[linked.kind]);
    const isOld = linked.kind !== "live" && Date.now() - this.heardAt > 1500 && this.heardAt > 0;
    const isAway = linked.kind === "away" || isOld;
    setHidden(this.banner, !isAway);
    document.body.classList.toggle("old", isAway);
    if (linked.kind === "away") {
      const wait = Math.max(0, linked.retryAt - Date.now());
      setText(this.banner, `Figures ${age}: ${linked.reason}. Trying again in ${Math.ceil(wait / 1000)} s.`);
    } else if (isOld) {
      setText(this.banner, `Figures ${age}: connecting again.`);
    }
  }

  private key(event: KeyboardEvent): void {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "/" && this.view instanceof FleetView) {
      event.preventDefault();
      this.view.focusFilter();
    }
    const tab = TABS[Number(event.key) - 1];
    if (tab) location.hash = `#/${tab[0]}`;
  }

  private alongTabs(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = this.tabs.indexOf(document.activeElement as HTMLAnchorElement);
    this.tabs[(at + step + this.tabs.length) % this.tabs.length]?.focus();
    event.preventDefault();
  }

  private skip(event: Event): void {
    event.preventDefault();
    this.main.focus();
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

new Page().start();

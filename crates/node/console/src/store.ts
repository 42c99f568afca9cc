// What is known of the fleet now: a snapshot and all samples since. Views read it; only the stream
// writes it.

import type { Decided, FileDemand, FleetStatus, FlowEntry, MemberStatus, Sample, Second, Snapshot } from "./model";

/** Seconds that a plot shows: as many as the node remembers. */
export const SECONDS_MAX = 600;
const DECISIONS_MAX = 200;

export interface Series {
  /** Seconds since 1970, as the plot wants them. */
  at: number[];
  fleet: number[];
  own: number[];
}

export class Store {
  status: FleetStatus | null = null;
  members = new Map<string, MemberStatus>();
  series: Series = { at: [], fleet: [], own: [] };
  decided: (Decided & { at: number })[] = [];
  flows: FlowEntry[] = [];
  files: FileDemand[] = [];
  /** By the node's clock. */
  atUnixMs = 0;
  private readonly heard = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.heard.add(listener);
    return () => this.heard.delete(listener);
  }

  snapshot(snapshot: Snapshot): void {
    const { status, history } = snapshot;
    this.status = status;
    const members = status.members.length > 0 ? status.members : (status.told ?? []);
    this.members = new Map(members.map((member) => [member.name, member]));
    this.series = { at: [], fleet: [], own: [] };
    history.at_unix_ms.forEach((at, index) => {
      this.push({
        at_unix_ms: at,
        egress_bytes_per_s: history.egress_bytes_per_s[index] ?? 0,
        fleet_bytes_per_s: history.fleet_bytes_per_s[index] ?? 0,
        flows: 0,
      });
    });
    this.decided = [];
    this.take(snapshot);
  }

  sample(sample: Sample): void {
    if (!this.status) return;
    const { node, catalog, problems, policy, decisions } = sample;
    Object.assign(this.status, { node, catalog, problems, policy, decisions });
    for (const member of sample.members) this.members.set(member.name, member);
    for (const name of sample.gone) this.members.delete(name);
    this.push(sample.second);
    this.take(sample);
  }

  private take({ at_unix_ms, now }: Snapshot | Sample): void {
    this.atUnixMs = at_unix_ms;
    const decided = now.decided.map((one) => ({ ...one, at: at_unix_ms - one.age_ms }));
    this.decided = [...decided, ...this.decided].slice(0, DECISIONS_MAX);
    this.flows = now.flows;
    this.files = now.files;
    for (const listener of this.heard) listener();
  }

  private push(second: Second): void {
    const { at, fleet, own } = this.series;
    const time = second.at_unix_ms / 1000;
    if (time <= (at.at(-1) ?? 0)) return;
    at.push(time);
    fleet.push(second.fleet_bytes_per_s);
    own.push(second.egress_bytes_per_s);
    if (at.length > SECONDS_MAX) for (const list of [at, fleet, own]) list.shift();
  }

  /** All nodes that can serve, the one that answers first. */
  get nodes(): MemberStatus[] {
    const own = this.own;
    return own ? [own, ...this.members.values()] : [...this.members.values()];
  }

  /** The node that answers, as if it were a member. */
  get own(): MemberStatus | null {
    if (!this.status) return null;
    const { node, catalog } = this.status;
    return {
      name: node.name,
      url: location.origin,
      state: node.server === "away" ? "suspect" : "ready",
      since_unix_ms: this.atUnixMs - node.uptime_s * 1000,
      ...(node.zone === undefined ? {} : { zone: node.zone }),
      version: node.version,
      lag_revisions: Math.max(0, catalog.revision - catalog.complete),
      missing_objects: catalog.missing_objects,
      missing_bytes: catalog.missing_bytes,
      flows: node.flows,
      egress_bytes_per_s: node.egress_bytes_per_s,
      capacity_bytes_per_s: node.capacity_bytes_per_s,
      flows_served: node.flows_served,
      bytes_served: node.bytes_served,
      flows_cut: 0,
      errors: 0,
      cpu_ratio: 0,
      disk_ratio: 0,
      error_ratio: 0,
      ...(node.server === "away" ? { condition: "its server is away" } : {}),
    };
  }

  get fleetEgress(): number {
    return this.nodes.reduce((sum, node) => sum + node.egress_bytes_per_s, 0);
  }
}

/** How much a member wants looking at: the higher, the sooner. */
export function urgency(member: MemberStatus): number {
  const ranks: Record<string, number> = { down: 5, suspect: 4, joining: 2, draining: 1, gone: 6 };
  let rank = ranks[member.state] ?? 0;
  if (member.standing) rank = Math.max(rank, 4);
  if (member.condition && member.state === "ready") rank = Math.max(rank, 3);
  if (member.error_ratio > 0.02) rank = Math.max(rank, 3);
  return rank;
}

// The node's events: asked for every other second, since they come rarely and must not be missed. A
// node that keeps none is asked again once in a while.

import { Refused, api } from "./api";
import type { FleetEvent } from "./model";

const EVERY_MS = 2_000;
const NONE_MS = 30_000;
const KEPT = 1_000;

export class Events {
  list: FleetEvent[] = [];
  /** Whether the node keeps events at all; unknown at first. */
  isKept: boolean | null = null;
  private next = 0;
  private readonly heard = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.heard.add(listener);
    return () => this.heard.delete(listener);
  }

  start(): void {
    const again = (ms: number): void => void setTimeout(() => void this.poll().then(again), ms);
    void this.poll().then(again);
  }

  /** A node that has started anew counts from the beginning. */
  forget(): void {
    this.next = 0;
    this.list = [];
  }

  private async poll(): Promise<number> {
    if (document.hidden) return EVERY_MS;
    try {
      const { events, next } = await api.events(this.next);
      this.isKept = true;
      // It has started anew since, and nobody has told us yet.
      if (next < this.next) this.forget();
      else this.next = next;
      const known = new Set(this.list.map((event) => event.seq));
      const fresh = events.filter((event) => !known.has(event.seq));
      this.list = [...fresh.reverse(), ...this.list].slice(0, KEPT);
      if (fresh.length > 0) this.tell();
      return EVERY_MS;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) return EVERY_MS;
      if (this.isKept !== false) {
        this.isKept = false;
        this.tell();
      }
      return NONE_MS;
    }
  }

  private tell(): void {
    for (const listener of this.heard) listener();
  }
}

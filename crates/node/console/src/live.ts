// The event stream: read by fetch, so that a refusal can be told from silence and its reason shown.
// It comes back by itself, ever more slowly, and rests while nobody looks at the page.

import type { Sample, Snapshot } from "./model";

export type Link =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "paused" }
  | { kind: "away"; reason: string; retryAt: number };

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** Samples come each second; after so many without one the stream is dead. */
const SILENCE_MS = 6_000;
/** A page that nobody sees lets go of its stream after this. */
const HIDDEN_MS = 30_000;

export interface Hearers {
  snapshot(snapshot: Snapshot): void;
  sample(sample: Sample): void;
  link(link: Link): void;
}

export class Live {
  private abort: AbortController | null = null;
  private waitMs = FIRST_WAIT_MS;
  private timer = 0;
  private silence = 0;
  private hidden = 0;

  constructor(
    private readonly url: string,
    private readonly hearers: Hearers,
  ) {}

  start(): void {
    document.addEventListener("visibilitychange", () => this.seen());
    addEventListener("online", () => this.now());
    this.now();
  }

  /** Tries at once. */
  now(): void {
    clearTimeout(this.timer);
    this.abort?.abort(new Error("another stream was begun"));
    const abort = new AbortController();
    this.abort = abort;
    this.hearers.link({ kind: "connecting" });
    this.read(abort).then(
      () => this.lost(abort, "the node has ended the stream"),
      (error: unknown) => this.lost(abort, error instanceof Error ? error.message : String(error)),
    );
  }

  private seen(): void {
    clearTimeout(this.hidden);
    if (!document.hidden) {
      if (!this.abort) this.now();
      return;
    }
    this.hidden = window.setTimeout(() => {
      clearTimeout(this.timer);
      clearTimeout(this.silence);
      this.abort?.abort();
      this.abort = null;
      this.hearers.link({ kind: "paused" });
    }, HIDDEN_MS);
  }

  private lost(abort: AbortController, reason: string): void {
    if (this.abort !== abort) return;
    clearTimeout(this.silence);
    abort.abort(new Error(reason));
    // Not all pages of all people at the same moment.
    const wait = this.waitMs * (0.75 + Math.random() / 2);
    this.waitMs = Math.min(this.waitMs * 2, LONGEST_WAIT_MS);
    const said = reason === "Failed to fetch" || reason === "network error" ? "the node does not answer" : reason;
    this.hearers.link({ kind: "away", reason: said, retryAt: Date.now() + wait });
    this.timer = window.setTimeout(() => this.now(), wait);
  }

  private listen(abort: AbortController): void {
    clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.lost(abort, "the node has fallen silent"), SILENCE_MS);
  }

  private async read(abort: AbortController): Promise<void> {
    this.listen(abort);
    const response = await fetch(this.url, { signal: abort.signal, headers: { accept: "text/event-stream" } });
    if (!response.ok || !response.body) {
      throw new Error((await response.text()).trim() || `status ${response.status}`);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) if (this.abort === abort) this.event(part, abort);
    }
  }

  private event(text: string, abort: AbortController): void {
    let name = "";
    let data = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (name === "snapshot") this.hearers.snapshot(JSON.parse(data) as Snapshot);
    else if (name === "sample") this.hearers.sample(JSON.parse(data) as Sample);
    else return;
    this.waitMs = FIRST_WAIT_MS;
    this.listen(abort);
    this.hearers.link({ kind: "live" });
  }
}

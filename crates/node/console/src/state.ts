// The states of members: each has a word and a shape, so that none is told by its colour alone.

import { h, setAttribute, setText } from "./dom";
import type { MemberStatus } from "./model";

export interface Look {
  word: string;
  shape: string;
  tone: string;
}

const LOOKS: Record<string, Look> = {
  ready: { word: "ready", shape: "●", tone: "ok" },
  joining: { word: "joining", shape: "◔", tone: "new" },
  draining: { word: "draining", shape: "◑", tone: "warn" },
  suspect: { word: "suspect", shape: "▲", tone: "warn" },
  down: { word: "down", shape: "✕", tone: "bad" },
  gone: { word: "gone", shape: "○", tone: "bad" },
  ejected: { word: "ejected", shape: "▲", tone: "bad" },
  probation: { word: "on probation", shape: "▲", tone: "warn" },
};

export function look(member: MemberStatus): Look {
  const name = member.state === "ready" && member.standing ? member.standing : member.state;
  return LOOKS[name] ?? { word: name, shape: "?", tone: "warn" };
}

/** The state as a cell shows it. */
export function badge(): { element: HTMLElement; set: (member: MemberStatus) => void } {
  const shape = h("span", { class: "shape", "aria-hidden": "true" });
  const word = h("span");
  const element = h("span", { class: "state" }, shape, word);
  const set = (member: MemberStatus): void => {
    const { word: name, shape: glyph, tone } = look(member);
    setText(shape, glyph);
    setText(word, name);
    setAttribute(element, "class", `state ${tone}`);
  };
  return { element, set };
}

export function memberHref(name: string): string {
  return `#/member/${encodeURIComponent(name)}`;
}

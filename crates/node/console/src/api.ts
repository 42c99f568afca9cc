// Asking the node. Every answer that is not a success becomes an error with the node's own words.

import type { Explanation, FleetEvent, MemberHistory, Session } from "./model";

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function ask<T>(url: string, options: RequestInit = {}): Promise<T> {
  const response = await fetch(url, { credentials: "same-origin", ...options });
  if (!response.ok) {
    const text = (await response.text()).trim();
    throw new Refused(response.status, text || `the node answered ${response.status}`);
  }
  return (await response.json()) as T;
}

function post<T>(url: string, body: unknown): Promise<T> {
  // The field proves that this page asks: no other site's page may set it.
  const headers = { "content-type": "application/json", "overspill-console": "1" };
  return ask(url, { method: "POST", headers, body: JSON.stringify(body) });
}

export interface OrderCall {
  order: string;
  member?: string;
  policy?: string;
}

export const api = {
  session: (): Promise<Session> => ask("/-/api/session"),
  login: (token: string): Promise<Session> => post("/-/api/login", { token }),
  logout: (): Promise<Session> => post("/-/api/logout", {}),
  order: (call: OrderCall): Promise<{ said: string }> => post("/-/api/order", call),
  history: (member: string): Promise<MemberHistory> => ask(`/-/api/history?member=${encodeURIComponent(member)}`),
  events: (after: number): Promise<{ events: FleetEvent[]; next: number }> =>
    ask(`/-/api/events?after=${after}&limit=200`),
  explain: (path: string, from: string): Promise<Explanation> => {
    const url = path
      .replace(/^\/+/, "")
      .split("/")
      .map((segment) => encodeURIComponent(segment))
      .join("/");
    const query = from ? `?from=${encodeURIComponent(from)}` : "";
    return ask(`/-/explain/${url}${query}`);
  },
};

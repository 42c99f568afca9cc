// What a view is, and what all of them have at hand.

import type { Admin } from "./admin";
import type { Events } from "./events";
import type { Store } from "./store";

export interface Context {
  store: Store;
  admin: Admin;
  events: Events;
}

export interface View {
  readonly element: HTMLElement;
  readonly title: string;
  /** Figures have changed. */
  update(): void;
  /** It is taken away. */
  destroy?(): void;
}

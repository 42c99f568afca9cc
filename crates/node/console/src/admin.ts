// Who looks: anybody, or an admin who may give orders. The token is sent once and kept nowhere.

import { api, type OrderCall } from "./api";
import { h, setText } from "./dom";
import type { Session } from "./model";

export class Admin {
  session: Session = { is_admin: false };
  readonly element: HTMLElement;
  private readonly button = h("button", { type: "button", click: () => void this.toggle() });
  private readonly heard = new Set<() => void>();
  private readonly notice = h("p", { class: "notice", role: "status", hidden: true });
  private fading = 0;

  constructor() {
    this.element = h("div", { class: "who" }, this.button);
    document.body.append(this.notice);
    this.show();
  }

  onChange(listener: () => void): () => void {
    this.heard.add(listener);
    return () => this.heard.delete(listener);
  }

  /** Asks the node who we are; after it was away, too, for sessions end with it. */
  async refresh(): Promise<void> {
    try {
      this.become(await api.session());
    } catch {
      // It is away; the stream says so.
    }
  }

  /** Asks for confirmation, gives the order, and says what came of it. */
  async order(call: OrderCall, question: Question): Promise<void> {
    if (!(await confirm(question))) return;
    try {
      const { said } = await api.order(call);
      this.say(said);
    } catch (error) {
      this.say(message(error));
      await this.refresh();
    }
  }

  say(text: string): void {
    setText(this.notice, text);
    this.notice.hidden = false;
    clearTimeout(this.fading);
    this.fading = window.setTimeout(() => (this.notice.hidden = true), 10_000);
  }

  private become(session: Session): void {
    const differs = session.is_admin !== this.session.is_admin || session.server !== this.session.server;
    this.session = session;
    this.show();
    if (differs) for (const listener of this.heard) listener();
  }

  private show(): void {
    const { is_admin, server } = this.session;
    this.button.hidden = server !== undefined;
    setText(this.button, is_admin ? "Log out" : "Log in");
    this.button.title = is_admin ? "You may give orders" : "To give orders: drain, remove, policy";
  }

  private async toggle(): Promise<void> {
    if (this.session.is_admin) {
      this.become(await api.logout().catch(() => this.session));
      return;
    }
    const session = await login();
    if (session) this.become(session);
  }
}

export interface Question {
  title: string;
  text: string;
  verb: string;
  /** What has to be typed first, for what cannot be taken back lightly. */
  typed?: string;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows a dialog and waits until it is closed; the keyboard goes back to where it was. */
function shown(dialog: HTMLDialogElement): Promise<void> {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before instanceof HTMLElement) before.focus();
      resolve();
    });
  });
}

async function confirm({ title, text, verb, typed }: Question): Promise<boolean> {
  let agreed = false;
  const field = h("input", { id: "typed", autocomplete: "off", spellcheck: "false" });
  const go = h("button", { class: typed ? "bad" : "primary", disabled: typed !== undefined }, verb);
  field.addEventListener("input", () => (go.disabled = field.value.trim() !== typed));
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "question" }, title),
    h("p", {}, text),
    typed !== undefined && h("p", {}, h("label", { for: "typed" }, "Type ", h("b", {}, typed), " to confirm"), field),
    h("p", { class: "buttons" }, h("button", { type: "button", click: () => dialog.close() }, "Cancel"), go),
  );
  const dialog: HTMLDialogElement = h("dialog", { "aria-labelledby": "question" }, form);
  form.addEventListener("submit", () => (agreed = true));
  await shown(dialog);
  return agreed;
}

async function login(): Promise<Session | null> {
  let session: Session | null = null;
  const field = h("input", { id: "token", type: "password", required: true, autocomplete: "current-password" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const submit = h("button", { class: "primary" }, "Log in");
  const form = h(
    "form",
    {},
    h("h2", { id: "login" }, "Log in as admin"),
    h("p", {}, "Whoever is logged in may drain and remove members and change the policy."),
    h("p", {}, h("label", { for: "token" }, "Admin token"), field),
    h("p", { class: "dim" }, "It stands in the file ", h("code", {}, "admin-token"), " of the server's state folder."),
    wrong,
    h("p", { class: "buttons" }, h("button", { type: "button", click: () => dialog.close() }, "Cancel"), submit),
  );
  const dialog: HTMLDialogElement = h("dialog", { "aria-labelledby": "login" }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit.disabled = true;
    api
      .login(field.value.trim())
      .then((open) => {
        session = open;
        dialog.close();
      })
      .catch((error: unknown) => {
        setText(wrong, message(error));
        field.select();
      })
      .finally(() => (submit.disabled = false));
  });
  await shown(dialog);
  return session;
}

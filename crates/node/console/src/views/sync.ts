// How far each mirror is in bringing its objects up to the catalog.

import { Bar, h, panel, setAttribute, setText } from "../dom";
import { count, counted, duration, percent, size } from "../format";
import type { MemberStatus } from "../model";
import { badge, memberHref } from "../state";
import { Table, text, type Column } from "../table";
import type { Context, View } from "../view";

/** Of how many seconds a rate of fetching is the mean. */
const RATE_OVER_S = 30;

export class SyncView implements View {
  readonly title = "Sync";
  readonly element: HTMLElement;
  private readonly catalog = h("p");
  private readonly summary = h("p", { class: "dim" });
  private readonly table: Table<MemberStatus>;
  /** What was missing when, newest last. */
  private readonly seen = new Map<string, { at: number; missing: number }[]>();

  constructor(private readonly context: Context) {
    this.table = new Table(this.columns(), {
      caption: "Progress of each mirror, those furthest behind first",
      empty: "There is no mirror yet.",
      id: (member) => member.name,
      order: (a, b) =>
        b.missing_bytes - a.missing_bytes ||
        b.lag_revisions - a.lag_revisions ||
        a.name.localeCompare(b.name, "en", { numeric: true }),
    });
    this.element = h(
      "div",
      { class: "sync" },
      panel("Catalog", {}, this.catalog, this.summary),
      panel("Mirrors", {}, this.table.element),
    );
  }

  update(): void {
    const { store } = this.context;
    if (!store.status) return;
    const { catalog } = store.status;
    const hashing = catalog.unhashed > 0 ? `; ${counted(catalog.unhashed, "file")} still to hash` : "";
    const damaged = catalog.damaged > 0 ? `; ${count(catalog.damaged)} damaged` : "";
    setText(
      this.catalog,
      `Revision ${count(catalog.revision)}: ${counted(catalog.files, "file")}, ${size(catalog.bytes)}${hashing}${damaged}.`,
    );
    const isMirror = store.status.node.role === "mirror";
    const own = isMirror && store.own ? [store.own] : [];
    const mirrors = [...own, ...[...store.members.values()].filter((member) => member.name !== "server")];
    for (const mirror of mirrors) this.note(mirror, store.atUnixMs / 1000);
    const behind = mirrors.filter((mirror) => mirror.lag_revisions > 0 || mirror.missing_bytes > 0);
    const silent = mirrors.filter((mirror) => mirror.state === "suspect" || mirror.state === "down").length;
    const missing = behind.reduce((sum, mirror) => sum + mirror.missing_bytes, 0);
    setText(
      this.summary,
      behind.length === 0
        ? silent === 0
          ? `All ${counted(mirrors.length, "mirror")} have proved that they hold it all.`
          : `All held it when last heard; ${counted(silent, "mirror")} cannot be asked now.`
        : `${count(behind.length)} of ${counted(mirrors.length, "mirror")} behind; ${size(missing)} to fetch.`,
    );
    this.table.set(mirrors);
  }

  private note(mirror: MemberStatus, at: number): void {
    const seen = this.seen.get(mirror.name) ?? [];
    if ((seen.at(-1)?.at ?? 0) < at) seen.push({ at, missing: mirror.missing_bytes });
    while (seen.length > RATE_OVER_S) seen.shift();
    this.seen.set(mirror.name, seen);
  }

  /** Bytes per second that it has fetched lately. */
  private fetching(mirror: MemberStatus): number {
    const seen = this.seen.get(mirror.name) ?? [];
    const [first, last] = [seen[0], seen.at(-1)];
    if (!first || !last || last.at <= first.at) return 0;
    return Math.max(0, (first.missing - last.missing) / (last.at - first.at));
  }

  private done(mirror: MemberStatus): number {
    const all = this.context.store.status?.catalog.bytes ?? 0;
    return all > 0 ? Math.max(0, 1 - mirror.missing_bytes / all) : 1;
  }

  private left(mirror: MemberStatus): string {
    if (mirror.missing_bytes === 0) return mirror.lag_revisions > 0 ? "proving" : "–";
    const fetching = this.fetching(mirror);
    return fetching > 0 ? duration((mirror.missing_bytes / fetching) * 1000) : "…";
  }

  private columns(): Column<MemberStatus>[] {
    return [
      {
        key: "name",
        title: "Mirror",
        sort: (mirror) => mirror.name,
        cell: (cell) => {
          const link = h("a", { class: "name" });
          cell.append(link);
          return (mirror) => {
            setText(link, mirror.name);
            setAttribute(link, "href", memberHref(mirror.name));
          };
        },
      },
      {
        key: "state",
        title: "State",
        sort: (mirror) => mirror.state,
        cell: (cell) => {
          const { element, set } = badge();
          cell.append(element);
          return set;
        },
      },
      {
        key: "done",
        title: "Has",
        kind: "number use",
        sort: (mirror) => this.done(mirror),
        cell: (cell) => {
          const [bar, said] = [new Bar(), h("span")];
          cell.append(bar.element, said);
          return (mirror) => {
            const done = this.done(mirror);
            bar.set(done, mirror.missing_bytes > 0 ? "" : "ok");
            setText(said, done < 1 && done > 0.99 ? ">99 %" : percent(done));
          };
        },
      },
      text("missing", "To fetch", (mirror) => (mirror.missing_bytes > 0 ? size(mirror.missing_bytes) : "–"), {
        kind: "number",
        sort: (mirror) => mirror.missing_bytes,
      }),
      text("objects", "Objects", (mirror) => (mirror.missing_objects > 0 ? count(mirror.missing_objects) : "–"), {
        kind: "number wide",
        sort: (mirror) => mirror.missing_objects,
      }),
      text("left", "Time left", (mirror) => this.left(mirror), { kind: "number wide" }),
      text("lag", "Behind", (mirror) => (mirror.lag_revisions > 0 ? `${count(mirror.lag_revisions)} rev` : "–"), {
        kind: "number",
        sort: (mirror) => mirror.lag_revisions,
      }),
    ];
  }
}

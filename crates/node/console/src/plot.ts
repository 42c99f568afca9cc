// A plot of bytes per second over the last ten minutes.

import uPlot from "uplot";
import { h, setAttribute, setText } from "./dom";
import { clock, rate } from "./format";

export interface Line {
  label: string;
  /** A custom property of the style that holds the colour. */
  colour: string;
  fill?: boolean;
}

const HEIGHT = 170;
const SECONDS_MIN = 60;

export class Plot {
  readonly element: HTMLElement;
  private readonly canvas = h("div", { class: "canvas", role: "img" });
  private readonly values: HTMLElement[];
  private readonly time = h("span", { class: "dim" });
  private plot: uPlot | null = null;
  private data: number[][] = [];
  private readonly resized = new ResizeObserver(() => this.resize());
  private readonly scheme = matchMedia("(prefers-color-scheme: dark)");
  private readonly recolour = (): void => this.build();

  constructor(
    private readonly title: string,
    private readonly lines: Line[],
  ) {
    this.values = lines.map(() => h("b", {}));
    const legend = lines.map((line, at) =>
      h("span", { class: "key" }, h("i", { class: `swatch ${line.colour.slice(2)}` }), `${line.label} `, this.values[at]),
    );
    this.element = h("div", { class: "plot" }, h("p", { class: "legend" }, ...legend, this.time), this.canvas);
    this.resized.observe(this.canvas);
    this.scheme.addEventListener("change", this.recolour);
  }

  set(data: number[][]): void {
    this.data = data;
    if (!this.plot) this.build();
    else this.plot.setData(this.padded(), true);
    this.tell(this.plot?.cursor.idx ?? null);
    const newest = this.lines.map((line, at) => `${line.label} ${rate(data[at + 1]?.at(-1) ?? 0)}`);
    const peak = Math.max(0, ...(data[1] ?? []));
    setAttribute(this.canvas, "aria-label", `${this.title} over the last minutes: now ${newest.join(", ")}; at most ${rate(peak)}`);
  }

  destroy(): void {
    this.scheme.removeEventListener("change", this.recolour);
    this.resized.disconnect();
    this.plot?.destroy();
  }

  /** Never less than a minute, so that the first seconds are not stretched. */
  private padded(): uPlot.AlignedData {
    const [at = [], ...lines] = this.data;
    const end = at.at(-1) ?? Date.now() / 1000;
    const start = end - SECONDS_MIN;
    if ((at[0] ?? end) <= start + 1) return [at, ...lines] as uPlot.AlignedData;
    return [[start, ...at], ...lines.map((line) => [null, ...line])] as uPlot.AlignedData;
  }

  private tell(index: number | null): void {
    const padded = this.padded();
    const at = index ?? padded[0].length - 1;
    this.values.forEach((value, line) => {
      const bytes = padded[line + 1]?.[at];
      setText(value, bytes === null || bytes === undefined ? "–" : rate(bytes));
    });
    setText(this.time, index === null ? "" : `at ${clock((padded[0][at] ?? 0) * 1000)}`);
  }

  private resize(): void {
    const width = this.canvas.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  private build(): void {
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const font = `11px ${style.getPropertyValue("--font")}`;
    const axis = { stroke: colour("--dim"), font, ticks: { show: false }, grid: { stroke: colour("--grid"), width: 1 } };
    this.plot = new uPlot(
      {
        width: Math.max(this.canvas.clientWidth, 200),
        height: HEIGHT,
        padding: [10, 12, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(max * 1.15, 1024)] } },
        axes: [
          { ...axis, size: 22, space: 70, incrs: STEPS_S, values: (_, ticks, __, ___, step) => ticks.map((tick) => time(tick, step)) },
          { ...axis, size: 74, space: 36, incrs: INCREMENTS, values: (_, ticks) => ticks.map((tick) => rate(tick)) },
        ],
        series: [
          {},
          ...this.lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: 1.5,
            points: { show: false },
            ...(line.fill ? { fill: `${colour(line.colour)}22` } : {}),
          })),
        ],
        hooks: { setCursor: [(plot) => this.tell(plot.cursor.idx ?? null)] },
      },
      this.padded(),
      this.canvas,
    );
  }
}

/** Steps of the axis that are round in powers of 1024. */
const INCREMENTS = Array.from({ length: 42 }, (_, at) => 2 ** at);

const STEPS_S = [10, 15, 30, 60, 120, 300];

/** With seconds only where ticks are less than a minute apart. */
function time(unixS: number, step: number): string {
  const told = clock(unixS * 1000);
  return step < 60 ? told : told.slice(0, 5);
}

// Figures for people. Sizes are powers of 1024, shares per cent.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function size(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  // What rounds to 1024 is one of the next.
  if (unit > 0 && unit < UNITS.length - 1 && value >= 1023.5) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function rate(bytesPerSecond: number): string {
  return `${size(Math.round(bytesPerSecond))}/s`;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function percent(ratio: number): string {
  if (!Number.isFinite(ratio)) return "–";
  const value = ratio * 100;
  if (value > 0 && value < 0.95) return "<1 %";
  return `${Math.round(value)} %`;
}

export function duration(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.round(ms)} ms`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A cost in seconds, to three figures. */
export function seconds(s: number): string {
  if (s > 1e6) return "∞";
  if (s === 0) return "0";
  if (s < 0.001) return `${(s * 1e6).toPrecision(3)} µs`;
  if (s < 1) return `${(s * 1000).toPrecision(3)} ms`;
  return `${s < 100 ? s.toPrecision(3) : Math.round(s)} s`;
}

export function clock(unixMs: number): string {
  const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
  return new Date(unixMs).toLocaleTimeString("en-GB", parts);
}

/** A path as people read it; one that is not UTF-8 stays as the URL writes it. */
export function path(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}

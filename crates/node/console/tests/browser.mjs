// A browser without a screen, and the little that all tests of the console need. What a page
// complains about, in the console or by its policy, fails the test that looked at it.
import { chromium } from "playwright-core";
import assert from "node:assert/strict";

const PATIENCE_MS = 30_000;

export async function withBrowser(test) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    await test(browser);
  } finally {
    await browser.close();
  }
}

/** A page that notes what goes wrong. Requests that are to fail are named by `expected`. */
export async function open(browser, url, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints = [];
  const note = (text) => expected.some((one) => text.includes(one)) || complaints.push(text);
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") note(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => note(String(error)));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && origin !== new URL(url).origin) complaints.push(`asked elsewhere: ${request.url()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.blockedURI || event.violatedDirective));
  });
  await page.goto(url);
  page.assertClean = async () => {
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    assert.deepEqual(complaints, []);
  };
  return page;
}

/** The token in the file that the environment names, read like an admin would. */
export async function adminToken() {
  const { readFile } = await import("node:fs/promises");
  return (await readFile(env("ADMIN_TOKEN_FILE"), "utf8")).trim();
}

export async function login(page) {
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByLabel("Admin token").fill(await adminToken());
  await page.getByRole("dialog").getByRole("button", { name: "Log in" }).click();
  await page.getByRole("button", { name: "Log out" }).waitFor();
}

export function env(name) {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

/** Waits until `look` gives something that `is` likes, and gives it back. */
export async function until(what, look, is = Boolean) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (is(seen)) return seen;
    assert(Date.now() < end, `waited in vain for ${what}; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Texts whose contrast to what is behind them is below WCAG 2's 4.5 (3 for large ones). */
export function poorContrast(page) {
  return page.evaluate(() => {
    const parse = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const light = ([r, g, b]) => {
      const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if (colour.length < 4 || colour[3] > 0.99) return colour;
      }
      return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.body.querySelectorAll("*")) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (!own || !element.checkVisibility() || element.closest(".hidden, .skip, .u-wrap, :disabled")) continue;
      const style = getComputedStyle(element);
      const [a, b] = [light(parse(style.color)), light(behind(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const least = parseFloat(style.fontSize) >= 18.66 ? 3 : 4.5;
      if (ratio < least) poor.push(`${element.className || element.tagName} ${element.textContent.slice(0, 20)}: ${ratio.toFixed(2)}`);
    }
    return poor;
  });
}

/** Controls without a name, fields without a label, doubled ids. */
export function poorNames(page) {
  return page.evaluate(() => {
    const poor = [];
    for (const field of document.querySelectorAll("input, select, textarea")) {
      if (!field.labels?.length && !field.getAttribute("aria-label")) poor.push(`no label: ${field.outerHTML}`);
    }
    for (const control of document.querySelectorAll("a[href], button")) {
      const name = control.textContent.trim() || control.getAttribute("aria-label") || control.title;
      if (!name && control.checkVisibility()) poor.push(`no name: ${control.outerHTML}`);
    }
    for (const image of document.querySelectorAll("[role=img]")) {
      if (!image.getAttribute("aria-label")) poor.push(`no label: ${image.className}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    poor.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `id twice: ${id}`));
    if (document.querySelectorAll("main").length !== 1) poor.push("not one main");
    return poor;
  });
}

// Pictures of every view, on a desktop and a phone, dark and light, for people to look at; and what
// no picture may have: sideways scrolling, poor contrast, controls without names, complaints.
//
// SCREENS: the folder. SCREEN_NAME: what the fleet is called, as `fleet-3`. CONSOLE_URL, EXPLAIN_PATH,
// ADMIN_TOKEN_FILE. SCREEN_VIEWS: which views, separated by commas.
import assert from "node:assert/strict";
import path from "node:path";
import { env, login, open, poorContrast, poorNames, until, withBrowser } from "./browser.mjs";

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const SCHEMES = ["light", "dark"];
const url = env("CONSOLE_URL");
const views = env("SCREEN_VIEWS").split(",");
const fleet = env("SCREEN_NAME");

const paths = {
  fleet: () => "",
  traffic: () => "traffic",
  sync: () => "sync",
  events: () => "events",
  explain: () => `explain/${encodeURIComponent(env("EXPLAIN_PATH"))}`,
  member: (page) => page.evaluate(async () => {
    const { members } = await (await fetch("/-/api/fleet")).json();
    return `member/${members.at(-1).name}`;
  }),
};
/** What is there once the view shows something. */
const shown = {
  fleet: "table tbody tr:nth-child(2)",
  traffic: "h2",
  sync: "tbody tr",
  events: ".panel",
  explain: ".answer tbody tr",
  member: ".orders button",
};

await withBrowser(async (browser) => {
  for (const [device, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of SCHEMES) {
      const options = { viewport, colorScheme, deviceScaleFactor: device === "phone" ? 2 : 1, expected: ["/-/api/events"] };
      const page = await open(browser, `${url}/-/`, options);
      await page.locator("tbody tr").first().waitFor();
      await login(page);
      for (const view of views) {
        const target = await paths[view](page);
        await page.evaluate((hash) => (location.hash = `#/${hash}`), target);
        await page.locator(shown[view]).first().waitFor();
        // One more second of figures, so that plots have drawn and bars have moved.
        const heard = await page.evaluate(() => performance.now());
        await until("a frame", () => page.evaluate(() => performance.now()), (now) => now > heard + 1200);
        const name = view === "fleet" ? fleet : `${fleet}-${view}`;
        const file = path.join(env("SCREENS"), `${name}-${device}-${colorScheme}.png`);
        await page.mouse.move(0, viewport.height - 1);
        const isLarge = nodesOf(fleet) > 50;
        await page.screenshot({ path: file, fullPage: !isLarge });
        if (isLarge && view === "fleet") {
          await page.evaluate(() => document.querySelector("#filter").scrollIntoView());
          await page.screenshot({ path: file.replace(name, `${name}-table`) });
          const heights = await page.evaluate(() => [...document.querySelectorAll("tbody tr")].map((row) => row.offsetHeight));
          assert(Math.max(...heights) <= 36, `a row of ${Math.max(...heights)} pixels is more than a line`);
        }
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert(overflow <= 0, `${name} on a ${device} scrolls sideways by ${overflow}`);
        if (device === "phone") {
          await page.setViewportSize({ width: 360, height: 740 });
          const cut = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert(cut <= 0, `${name} at 360 pixels scrolls sideways by ${cut}`);
          await page.setViewportSize(viewport);
        }
        assert.deepEqual(await poorContrast(page), [], `${name} ${device} ${colorScheme}`);
        assert.deepEqual(await poorNames(page), [], `${name} ${device} ${colorScheme}`);
      }
      await page.assertClean();
      await page.context().close();
    }
  }
});

function nodesOf(name) {
  return Number(name.match(/\d+/)?.[0] ?? 0);
}

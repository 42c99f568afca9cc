// The server goes away under an open console, and comes back. Whoever runs this reads the lines
// `live`, `away` and `back`, and does to the server what they call for.
import assert from "node:assert/strict";
import { env, login, open, withBrowser } from "./browser.mjs";

await withBrowser(async (browser) => {
  // What the browser says of a server that is away is no complaint about the page.
  const page = await open(browser, `${env("CONSOLE_URL")}/-/`, { expected: ["net::ERR", "/-/api/events"] });
  await page.locator(".link.live").waitFor();
  await login(page);
  const before = await page.locator("tbody tr").count();
  console.log("live");
  await page.locator(".link.away").waitFor();
  await page.getByText(/Figures as of \d+ s ago: .*Trying again in \d+ s/).waitFor();
  assert.equal(await page.locator("tbody tr").count(), before, "what was known is still shown");
  console.log("away");
  await page.locator(".link.live").waitFor();
  await page.locator(".banner:not(.calm)").waitFor({ state: "hidden" });
  // The session ended with the process that knew it.
  await page.getByRole("button", { name: "Log in" }).waitFor();
  console.log("back");
  await page.assertClean();
});

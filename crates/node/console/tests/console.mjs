// What the console of a running fleet must do, seen in a real browser.
//
// CONSOLE_URL: the server. MIRROR_URL: one of its two mirrors. ADMIN_TOKEN_FILE. The tree holds
// big.bin, more than all buffers on the way, and a file whose name is markup.
import assert from "node:assert/strict";
import http from "node:http";
import { adminToken, env, login, open, until, withBrowser } from "./browser.mjs";

const server = env("CONSOLE_URL");
const mirror = env("MIRROR_URL");
const HOSTILE = "<img src=x onerror='window.broken=1'>.bin";

/** Says what a node answered; redirects are not followed. */
function ask(url, { method = "GET", headers = {}, body = "" } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const fleet = async () => JSON.parse((await ask(`${server}/-/api/fleet`)).text);
const stateOf = async (name) => (await fleet()).members.find((member) => member.name === name)?.state;

/** A download that is begun and not read. */
function begin(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, (response) => {
      response.once("readable", () => {
        response.read(1);
        resolve(() => request.destroy());
      });
    });
    request.on("error", (error) => error.code === "ECONNRESET" || reject(error));
  });
}

async function liveUpdate(browser) {
  const page = await open(browser, `${server}/-/#/traffic`, { expected: ["/-/api/events"] });
  await page.locator(".link.live").waitFor();
  await page.getByText("This node sends nothing larger").waitFor();
  const end = await begin(`${server}/big.bin?direct`);
  const row = page.locator("tr", { has: page.getByRole("link", { name: "/big.bin" }) }).filter({ hasText: "this node" });
  await row.waitFor();
  assert.match(await row.innerText(), /127\.0\.0\.0\/24/);
  end();
  await row.waitFor({ state: "detached" });
  const hostile = `${server}/${encodeURIComponent(HOSTILE)}`;
  await ask(hostile);
  await ask(`${server}/big.bin`);
  await page.getByRole("cell", { name: `/${HOSTILE}` }).first().waitFor();
  const decisions = page.locator("section", { has: page.getByRole("heading", { name: "Decisions" }) });
  await decisions.getByRole("cell", { name: "/big.bin" }).first().waitFor();
  assert.equal(await page.evaluate(() => window.broken), undefined);
  await page.getByRole("link", { name: "Fleet" }).click();
  const canvas = page.getByRole("img", { name: /Throughput over the last minutes: now fleet/ });
  await until("a throughput that was seen", () => canvas.getAttribute("aria-label"), (label) => /at most [1-9]/.test(label));
  await page.assertClean();
}

async function nobodyButAnAdmin(browser) {
  const page = await open(browser, `${server}/-/`, { expected: ["/-/api/events", "/-/api/login"] });
  const name = (await fleet()).members[0].name;
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { name: "State" }).waitFor();
  await page.getByText(/^since|since /).first().waitFor();
  assert.equal(await page.locator(".orders button").count(), 0, "no buttons for nobody");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByLabel("Admin token").fill("0".repeat(64));
  await page.getByRole("dialog").getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").getByText("this is not the admin token").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  const order = JSON.stringify({ order: "drain", member: name });
  const drain = (headers) => ask(`${server}/-/api/order`, { method: "POST", headers, body: order });
  const own = { origin: server, "overspill-console": "1" };
  const opened = await ask(`${server}/-/api/login`, { method: "POST", headers: own, body: JSON.stringify({ token: await adminToken() }) });
  assert.equal(opened.status, 200, opened.text);
  const setCookie = opened.headers["set-cookie"][0];
  assert.match(setCookie, /^overspill-admin=[0-9a-f]{64}; Path=\/-\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  const cookie = setCookie.split(";")[0];
  for (const [headers, status, words] of [
    [{}, 401, "only an admin"],
    [{ ...own }, 401, "only an admin"],
    [{ ...own, cookie: "overspill-admin=1234" }, 401, "only an admin"],
    [{ authorization: "Bearer 1234" }, 401, "not the admin token"],
    [{ cookie }, 403, "console's own page"],
    [{ cookie, origin: server }, 403, "console's own page"],
    [{ cookie, "overspill-console": "1" }, 403, "console's own page"],
    [{ ...own, cookie, origin: "http://evil.example" }, 403, "console's own page"],
    [{ ...own, cookie, origin: "null" }, 403, "console's own page"],
  ]) {
    const { status: got, text } = await drain(headers);
    assert.equal(got, status, `${JSON.stringify(headers)}: ${text}`);
    assert.ok(text.includes(words), text);
  }
  assert.equal(await stateOf(name), "ready", "nothing was ordered");
  const foreign = await ask(`${server}/-/api/login`, { method: "POST", headers: { origin: "http://evil.example", "overspill-console": "1" }, body: "{}" });
  assert.equal(foreign.status, 403);
  await page.assertClean();
}

async function drainByAnAdmin(browser) {
  const page = await open(browser, `${server}/-/`, { expected: ["/-/api/events"] });
  const name = (await fleet()).members[0].name;
  await page.goto(`${server}/-/#/member/${name}`);
  await page.getByRole("heading", { name: "State" }).waitFor();
  await login(page);
  const state = page.locator(".headline .state");
  await page.getByRole("button", { name: "Drain" }).click();
  await page.getByRole("dialog").getByText("gets no new work").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await stateOf(name), "ready", "who cancels has ordered nothing");
  await page.getByRole("button", { name: "Drain" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await page.getByRole("status").getByText(`${name} gets no new work`).waitFor();
  await state.getByText("draining").waitFor();
  assert.equal(await stateOf(name), "draining");
  await page.getByRole("button", { name: "Undrain" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undrain" }).click();
  await state.getByText("ready").waitFor();
  assert.equal(await stateOf(name), "ready");
  await page.getByRole("link", { name: "Fleet" }).click();
  await page.getByLabel("Policy").selectOption("round-robin");
  await page.getByRole("dialog").getByRole("button", { name: "Change" }).click();
  await until("the policy", fleet, ({ policy }) => policy === "round-robin");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("button", { name: "Log in" }).waitFor();
  assert.equal(await page.getByLabel("Policy").isVisible(), false);
  await page.assertClean();
}

async function explainBox(browser) {
  const page = await open(browser, `${server}/-/#/explain`, { expected: ["/-/api/events", "/-/explain/"] });
  await page.getByLabel("File").fill("/big.bin");
  await page.getByLabel("Client's address").fill("198.51.100.7");
  await page.keyboard.press("Enter");
  await page.getByRole("table", { name: "Candidates" }).waitFor();
  assert.equal(await page.locator(".answer tbody tr").count(), 3);
  await page.getByText("for 198.51.100.7").waitFor();
  assert.equal(await page.getByText("✓").count(), 1);
  for (const [path, from, said] of [["absent", "", "there is no such file"], ["big.bin", "here", "is no IP address"]]) {
    await page.getByLabel("File").fill(path);
    await page.getByLabel("Client's address").fill(from);
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("alert").getByText(said).waitFor();
  }
  await page.assertClean();
}

async function keyboard(browser) {
  const page = await open(browser, `${server}/-/`, { expected: ["/-/api/events"] });
  await page.locator("tbody tr").nth(2).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const names = [(await fleet()).node.name, ...(await fleet()).members.map((member) => member.name)].sort();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "To the content");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  await page.keyboard.type("ready m-");
  await page.getByText("2 of 3").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("tbody tr").nth(2).waitFor();
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "server", "the node that answers comes first");
  await page.keyboard.press("j");
  assert.equal(await focused(), names[0]);
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(), "server");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: names[0] }).waitFor();
  await page.keyboard.press("2");
  await page.getByRole("heading", { name: "Flows in progress" }).waitFor();
  await page.getByRole("link", { name: "Traffic" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(), "Sync");
  await page.keyboard.press("Enter");
  await page.getByText("hold it all").waitFor();
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus is seen");
  await page.keyboard.press("1");
  const head = page.getByRole("button", { name: "Egress" });
  await head.focus();
  for (const sort of ["descending", "ascending", null]) {
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("th", { has: head }).getAttribute("aria-sort"), sort);
  }
  await page.assertClean();
}

async function aMirrorTakesNoOrders(browser) {
  const page = await open(browser, `${mirror}/-/`, { expected: ["/-/api/events"] });
  await page.locator(".banner.calm").getByRole("link", { name: `${server}/-/` }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Log in" }).isVisible(), false);
  await page.getByRole("cell", { name: "server" }).first().waitFor();
  for (const path of ["login", "order"]) {
    const { status, text } = await ask(`${mirror}/-/api/${path}`, { method: "POST", body: "{}" });
    assert.equal(status, 403);
    assert.ok(text.includes(`${server}/-/`), text);
  }
  await page.getByRole("link", { name: "Sync" }).click();
  await page.getByText("hold it all").waitFor();
  await page.assertClean();
}

async function events(browser) {
  const name = (await fleet()).members[0].name;
  const list = [
    { seq: 1, at: "2026-11-23T11:40:00.123Z", level: "info", event: "member-state", text: "member changed state", fields: { member: name, from: "ready", to: "down" } },
    { seq: 2, at: "2026-11-23T11:41:00.000Z", level: "error", event: "disk", text: "<img src=x onerror='window.broken=1'>", fields: { path: "/<b>x</b>" } },
  ];
  const page = await open(browser, "about:blank");
  await page.route("**/-/api/events*", (route) => {
    const after = Number(new URL(route.request().url()).searchParams.get("after"));
    return route.fulfill({ json: { events: list.filter((event) => event.seq > after), next: list.at(-1).seq } });
  });
  await page.goto(`${server}/-/#/events`);
  const rows = page.getByRole("table", { name: "Events" }).locator("tbody tr");
  await rows.nth(1).waitFor();
  assert.match(await rows.nth(0).innerText(), /error.*<img src=x.*path \/<b>x<\/b>/s);
  list.push({ seq: 3, at: "2026-11-23T11:42:00.000Z", level: "warn", event: "late", text: "came later", fields: {} });
  await rows.filter({ hasText: "came later" }).waitFor();
  await page.getByLabel("Show").selectOption("errors");
  await until("the errors alone", () => rows.count(), (count) => count === 1);
  await page.goto(`${server}/-/#/member/${name}`);
  await page.getByText("member changed state").waitFor();
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
}

async function thePageItself() {
  for (const [path, type] of [["", "text/html"], ["console.js", "text/javascript"], ["console.css", "text/css"]]) {
    const { status, headers } = await ask(`${server}/-/${path}`);
    assert.equal(status, 200);
    assert.ok(headers["content-type"].startsWith(type), headers["content-type"]);
    assert.equal(headers["cache-control"], "no-cache");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.match(headers["content-security-policy"], /^default-src 'none'; script-src 'self'; style-src 'self';/);
    const again = await ask(`${server}/-/${path}`, { headers: { "if-none-match": headers.etag } });
    assert.equal(again.status, 304);
  }
}

await withBrowser(async (browser) => {
  for (const test of [thePageItself, liveUpdate, nobodyButAnAdmin, drainByAnAdmin, explainBox, keyboard, aMirrorTakesNoOrders, events]) {
    if (process.env.ONLY && process.env.ONLY !== test.name) continue;
    const began = Date.now();
    await test(browser);
    console.log(`${test.name}: ${Date.now() - began} ms`);
  }
});

// Builds the console into dist/, which is committed and embedded in the binary: cargo needs no node.
// With --check nothing is written; it fails if dist/ is not what the source gives.
import { build } from "esbuild";
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");

// What the licence of the plots asks for: its words go wherever the code goes.
const licence = await readFile(path.join(here, "node_modules/uplot/LICENSE"), "utf8");

const bundled = await build({
  absWorkingDir: here,
  entryPoints: { console: "src/main.ts", style: "src/style.css" },
  outdir: "dist",
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: ["es2022", "chrome109", "firefox115", "safari16"],
  legalComments: "none",
  charset: "utf8",
  banner: { js: `/* Contains uPlot:\n${licence.trim()} */` },
});

const built = new Map();
for (const file of bundled.outputFiles) {
  const name = path.basename(file.path).replace("style.css", "console.css");
  built.set(name, file.text);
}
built.set("index.html", await readFile(path.join(here, "src/index.html"), "utf8"));

if (process.argv.includes("--check")) {
  const stale = [];
  for (const [name, text] of built) {
    const committed = await readFile(path.join(dist, name), "utf8").catch(() => "");
    if (committed !== text) stale.push(name);
  }
  if (stale.length > 0) {
    console.error(`dist/ is not what the source gives (${stale.join(", ")}); run: npm run build`);
    process.exit(1);
  }
} else {
  await mkdir(dist, { recursive: true });
  for (const [name, text] of built) await writeFile(path.join(dist, name), text);
  const bytes = [...built.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  console.log(`${built.size} files, ${bytes} bytes`);
}

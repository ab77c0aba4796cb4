/** Bundles the page into dist/site: static files for any server. Weights and graphs come from `make demo`. */
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const demo = new URL("./", import.meta.url);
const site = new URL("../dist/site/", import.meta.url);
const runtime = new URL("../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm", import.meta.url);
const path = (url) => fileURLToPath(url);

await mkdir(site, { recursive: true });
await build({
  entryPoints: [...["main.ts", "worker.ts", "listen.ts"].map((name) => path(new URL(name, demo)))],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  logLevel: "warning",
  external: ["node:*", "module"],
  outdir: path(site),
});
for (const name of ["index.html", "listen.html", "style.css"]) await copyFile(new URL(name, demo), new URL(name, site));
await copyFile(runtime, new URL("ort-wasm-simd-threaded.wasm", site));

/** Runs all tests in one process: the runtime of the networks is compiled once, and weights are read once. */
import { readdirSync } from "node:fs";

const folder = new URL("./", import.meta.url);
for (const name of readdirSync(folder).filter((name) => name.endsWith(".test.js")))
  await import(new URL(name, folder).href);

/** Prints how fast the page encodes and decodes the first sample, at each bitrate, in its one worker. */
import { readFileSync } from "node:fs";
import type { Samples } from "../../demo/samples.js";
import { openSite, statusLike } from "./site.js";

const samples = `${process.env["CQ_SITE"]!}/samples`;
const { references } = JSON.parse(readFileSync(`${samples}/samples.json`, "utf8")) as Samples;
const { page, close } = await openSite("index.html");
await statusLike(page, /^Ready/);
await page.locator("#file").setInputFiles(`${samples}/${references[0]}`);
await statusLike(page, /^1[12]\.\d kbps/); // at 12 kbps; the first run also compiles
for (const kbps of [9, 12, 16, 20, 24]) {
  await page.locator("#bitrate").selectOption(`${1000 * kbps}`);
  console.log(await statusLike(page, new RegExp(`^(${kbps - 1}|${kbps})\\.\\d kbps`)));
}
await close();

/** Takes the screenshots of the documentation, of a site with samples: `node screenshots.js FOLDER`. */
import { readFileSync } from "node:fs";
import type { Samples } from "../../demo/samples.js";
import { openSite, statusLike } from "./site.js";

const [folder] = process.argv.slice(2) as [string];
const samples = `${process.env["CQ_SITE"]!}/samples`;
const { references } = JSON.parse(readFileSync(`${samples}/samples.json`, "utf8")) as Samples;

const codec = await openSite("index.html");
await statusLike(codec.page, /^Ready/);
await codec.page.locator("#file").setInputFiles(`${samples}/${references[0]}`);
await statusLike(codec.page, /times faster/);
await codec.page.locator("#packet").fill("100");
await codec.page.screenshot({ path: `${folder}/page.png`, fullPage: true });
await codec.close();

const test = await openSite("listen.html");
await statusLike(test.page, /^Choose/);
await test.page.locator("#seed").fill("1");
await test.page.getByRole("button", { name: "Start" }).click();
await test.page.getByRole("heading", { name: "Excerpt 1 of" }).waitFor();
await test.page.getByLabel("Version 1", { exact: true }).fill("83");
await test.page.screenshot({ path: `${folder}/listen.png` });
await test.close();

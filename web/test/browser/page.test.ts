/**
 * The page in a real browser: load, drop a file, encode, play, compare, save. `CQ_SITE` names the folder that
 * `make demo` writes, `CHROMIUM` the program.
 */
import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium, type Browser, type Page } from "playwright-core";
import { readNpz } from "../npz.js";
import { FOLDER } from "../vectors.js";

const SITE = process.env["CQ_SITE"]!;
const TYPES: Record<string, string> = {
  html: "text/html",
  js: "text/javascript",
  css: "text/css",
  wasm: "application/wasm",
};
const CODED = /^[\d.]+ kbps, \d+ of 51 packets lost; encoded [\d.]+ and decoded [\d.]+ times faster than real time\.$/;

let server: Server;
let browser: Browser;
let page: Page;
const problems: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    const name = request.url === "/" ? "/index.html" : request.url!;
    response.setHeader("Content-Type", TYPES[name.split(".").at(-1)!] ?? "application/octet-stream");
    createReadStream(SITE + name)
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  }).listen(0, "127.0.0.1");
  const args = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"];
  browser = await chromium.launch({ executablePath: process.env["CHROMIUM"]!, args });
  page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => /^(http:\/\/127|blob:|data:)/.test(request.url()) || problems.push(request.url()));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});

after(async () => {
  await browser.close();
  server.close();
});

/** Return a file of one second of speech: 16 bits, 16 kHz. */
function wav(): Buffer {
  const samples = readNpz(`${FOLDER}cq-24k.npz`)["pcm"]!.values;
  const data = Buffer.alloc(44 + 2 * samples.length);
  data.write("RIFF", 0);
  data.writeUInt32LE(36 + 2 * samples.length, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(1, 22);
  data.writeUInt32LE(16000, 24);
  data.writeUInt32LE(32000, 28);
  data.writeUInt16LE(2, 32);
  data.writeUInt16LE(16, 34);
  data.write("data", 36);
  data.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((x, n) => data.writeInt16LE(x, 44 + 2 * n));
  return data;
}

/** Wait until the status line matches; return it. */
async function statusLike(pattern: RegExp): Promise<string> {
  const status = page.getByRole("status").filter({ hasText: pattern });
  await status.waitFor({ timeout: 120000 });
  return (await status.textContent())!;
}

async function drop(content: Buffer): Promise<void> {
  const transfer = await page.evaluateHandle((bytes) => {
    const made = new DataTransfer();
    made.items.add(new File([Uint8Array.from(bytes)], "speech.wav"));
    return made;
  }, Array.from(content));
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
}

/** Count the different colours of a canvas. */
async function colours(id: string): Promise<number> {
  return page.locator(`#${id}`).evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
}

test("a dropped file is encoded, decoded and drawn", async () => {
  await statusLike(/^Ready/);
  await drop(wav());
  const status = await statusLike(CODED);
  const kbps = Number(status.split(" ")[0]);
  assert.ok(kbps > 10 && kbps <= 12, status);
  for (const id of ["waveform-original", "waveform-decoded", "bits"]) assert.ok((await colours(id)) >= 2, id);
  for (const id of ["spectrogram-original", "spectrogram-decoded"]) assert.ok((await colours(id)) > 50, id);
});

test("bitrate and losses can be chosen", async () => {
  await page.locator("#bitrate").selectOption("24000");
  const fine = await statusLike(/^2[34]\.\d kbps, 0 of/);
  assert.match(fine, CODED);
  await page.locator("#loss").selectOption("0.1");
  assert.match(await statusLike(/kbps, [1-9]\d* of/), CODED);
});

test("the packet under the pointer, or chosen by keys, shows its envelope over its spectrum", async () => {
  await page.locator("#bits").hover({ position: { x: 1, y: 5 } });
  assert.match((await page.locator("#packet-text").textContent())!, /^Packet 1 of 51, at 0\.00 s: \d+ bits; /);
  await page.locator("#packet").focus();
  await page.keyboard.press("ArrowRight");
  assert.match(
    (await page.locator("#packet-text").textContent())!,
    /^Packet 2 of 51, at 0\.02 s: .*; the envelope is highest at \d+ Hz\.$/,
  );
  assert.ok((await colours("envelope")) > 20);
});

test("original and decoded sound play, and the file is saved", async () => {
  for (const name of ["Play original", "Play decoded", "Stop"]) await page.getByRole("button", { name }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("Save the .cq file").click()]);
  assert.deepEqual(Array.from(readFileSync((await download.path())!).subarray(0, 5)), [0xcf, 0x63, 0x71, 0x0a, 1]);
});

test("a file that is no sound is refused in words", async () => {
  await drop(Buffer.from("no sound"));
  await statusLike(/cannot read this file/);
});

test("the page has no serious fault of accessibility, and every control is reached by the keyboard", async () => {
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core") });
  const faults = await page.evaluate(async () => {
    const axe = (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; impact: string }[] }> } })
      .axe;
    return (await axe.run()).violations.map(({ id, impact }) => `${impact}: ${id}`);
  });
  assert.deepEqual(
    faults.filter((fault) => /^(serious|critical)/.test(fault)),
    [],
  );
  const reached = new Set<string>();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement!.id));
  }
  for (const id of ["file", "record", "bitrate", "loss", "play-original", "stop", "packet"])
    assert.ok(reached.has(id), id);
});

test("the page caused no error, and asked no other server", () => {
  assert.deepEqual(problems, []);
});

/** The page in a real browser: load, drop a file, encode, play, compare, save. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { readNpz } from "../npz.js";
import { FOLDER } from "../vectors.js";
import { openPage, openSite, seriousFaults, statusLike, wav, type Site } from "./site.js";

const CODED = /^[\d.]+ kbps, \d+ of 51 packets lost; encoded [\d.]+ and decoded [\d.]+ times faster than real time\.$/;

let site: Site;
let page: Site["page"];

before(async () => {
  site = await openSite("index.html");
  ({ page } = site);
});

after(() => site.close());

/** One second of speech. */
const SPEECH = wav(readNpz(`${FOLDER}cq-24k.npz`)["pcm"]!.values);

/** Drop a file on an element. */
async function drop(content: Buffer, place = "#drop"): Promise<void> {
  const transfer = await page.evaluateHandle((bytes) => {
    const made = new DataTransfer();
    made.items.add(new File([Uint8Array.from(bytes)], "speech.wav"));
    return made;
  }, Array.from(content));
  await page.dispatchEvent(place, "drop", { dataTransfer: transfer });
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
  await statusLike(page, /^Ready/);
  await drop(SPEECH);
  const status = await statusLike(page, CODED);
  const kbps = Number(status.split(" ")[0]);
  assert.ok(kbps > 10 && kbps <= 12, status);
  for (const id of ["waveform-original", "waveform-decoded", "bits"]) assert.ok((await colours(id)) >= 2, id);
  for (const id of ["spectrogram-original", "spectrogram-decoded"]) assert.ok((await colours(id)) > 50, id);
});

test("bitrate and losses can be chosen", async () => {
  await page.locator("#bitrate").selectOption("24000");
  const fine = await statusLike(page, /^2[34]\.\d kbps, 0 of/);
  assert.match(fine, CODED);
  await page.locator("#loss").selectOption("0.1");
  assert.match(await statusLike(page, /kbps, [1-9]\d* of/), CODED);
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

test("a recording from the microphone is coded", async () => {
  await page.getByRole("button", { name: "Record" }).click();
  await page.waitForTimeout(1500);
  await page.getByRole("button", { name: "Stop recording" }).click();
  await statusLike(page, /kbps, \d+ of (?!51 )\d+ packets lost/);
});

test("a file that is no sound, or too short, is refused in words, wherever it is dropped", async () => {
  await drop(Buffer.from("no sound"), "body");
  await statusLike(page, /cannot read this file/);
  await drop(wav([1, 2, 3]));
  await statusLike(page, /The sound has 3 samples at 16 kHz; a packet needs 320\./);
});

test("a longer file is coded up to 60 seconds, and the page says so", async () => {
  await drop(wav(new Float32Array(60.3 * 16000)));
  await statusLike(page, /^Coding the first 60 of 61 seconds/);
});

test("the page has no serious fault of accessibility, and every control is reached by the keyboard", async () => {
  assert.deepEqual(await seriousFaults(page), []);
  const reached = new Set<string>();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement!.id));
  }
  for (const id of ["file", "record", "bitrate", "loss", "play-original", "stop", "packet"])
    assert.ok(reached.has(id), id);
});

test("opened as a file, the page says that it needs a server", async () => {
  const file = await openPage(pathToFileURL(`${process.env["CQ_SITE"]!}/index.html`).href);
  await statusLike(file.page, /only from a server/);
  await file.close();
});

test("the page caused no error, and asked no other server", () => {
  assert.deepEqual(site.problems, []);
});

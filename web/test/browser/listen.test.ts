/** The listening test in a real browser, by keyboard alone: set up, listen, vote, export, combine. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { planAbx, type AbxResult } from "../../demo/abx.js";
import { HIDDEN_REFERENCE, planMushra, type MushraResult } from "../../demo/mushra.js";
import type { Samples } from "../../demo/samples.js";
import { openSite, seriousFaults, statusLike, wav, type Site } from "./site.js";

const ITEMS = ["one", "two"];
const filesOf = (version: string): string[] => ITEMS.map((item) => `${item}-${version}.wav`);
const SAMPLES: Samples = {
  levelDbov: -26,
  weights: "cq3",
  items: ITEMS.map((name) => ({ name, credit: "made for a test", licence: "CC0" })),
  references: filesOf("original"),
  anchor: { name: "anchor, 3.5 kHz", files: filesOf("anchor") },
  tests: [
    {
      kbps: 9,
      systems: [
        { name: "lpcnet_cq", kbps: 8.99, files: filesOf("ours") },
        { name: "Opus 1.6", kbps: 9.01, files: filesOf("opus") },
      ],
    },
  ],
  missing: ["Lyra v2 is missing: no models."],
};
const ABX_VERSIONS = ["original", "lpcnet_cq, 8.99 kbps", "Opus 1.6, 9.01 kbps", "anchor, 3.5 kHz"];
const VERSIONS = [HIDDEN_REFERENCE, "anchor, 3.5 kHz", "lpcnet_cq", "Opus 1.6"];

let site: Site;
let page: Site["page"];

before(async () => {
  const files = ["original", "anchor", "ours", "opus"].flatMap(filesOf);
  const sounds = files.map((file, k) => {
    const tone = Float32Array.from({ length: 4000 }, (_, n) => 3000 * Math.sin((k + 2) * 0.05 * n));
    return [`samples/${file}`, wav(tone)] as const;
  });
  const list = Buffer.from(JSON.stringify(SAMPLES));
  site = await openSite("listen.html", { "samples/samples.json": list, ...Object.fromEntries(sounds) });
  ({ page } = site);
});

after(() => site.close());

/** Press a button of this name by the keyboard. */
async function press(name: string): Promise<void> {
  await page.getByRole("button", { name, exact: true }).focus();
  await page.keyboard.press("Enter");
}

/** Start a test with a seed. */
async function start(method: string, seed: number): Promise<void> {
  await page.locator("#method").selectOption(method);
  await page.locator("#seed").fill(String(seed));
  await press("Start");
  await statusLike(page, new RegExp(`seed ${seed}`));
}

async function saved<T>(): Promise<{ result: T; path: string }> {
  const [download] = await Promise.all([page.waitForEvent("download"), press("Save the result (JSON)")]);
  const path = (await download.path())!;
  return { result: JSON.parse(readFileSync(path, "utf8")) as T, path };
}

test("licences and missing codecs are on the page", async () => {
  await statusLike(page, /^Choose a test/);
  const credits = (await page.locator("#credits").textContent())!;
  assert.match(credits, /one: made for a test, CC0.*Lyra v2 is missing: no models\./s);
  assert.deepEqual(await seriousFaults(page), []);
});

test("MUSHRA by keyboard: nothing is skipped, the order follows from the seed, ratings are evaluated", async () => {
  await start("mushra", 42);
  for (const k of [1, 2]) {
    const head = page.getByRole("heading", { name: `Excerpt ${k} of 2` });
    await head.waitFor();
    assert.equal(await head.evaluate((node) => node === document.activeElement), true);
    await press("Play reference");
    const next = page.getByRole("button", { name: "Next" });
    assert.ok(await next.isDisabled());
    for (let v = 1; v <= VERSIONS.length; v++) {
      const slider = page.getByLabel(`Version ${v}`, { exact: true });
      await slider.focus();
      for (const key of ["Enter", "End", ...Array<string>(v).fill("ArrowLeft")]) await page.keyboard.press(key);
      assert.equal(await slider.getAttribute("aria-valuetext"), `${100 - v}, excellent`);
    }
    assert.deepEqual(await seriousFaults(page), []);
    await press("Next");
  }
  await statusLike(page, /complete/);
  assert.deepEqual(await seriousFaults(page), []);
  assert.match((await page.locator("#result").textContent())!, /rated below 90 in 0 % .* This result is kept in means/);
  const { result, path } = await saved<MushraResult & { levelDbov: number; listener: string }>();
  const planned = planMushra(ITEMS.length, VERSIONS.length, 42);
  const expected = planned.flatMap(({ item, order }) =>
    order.map((v, k) => ({ item: ITEMS[item], version: VERSIONS[v], score: 99 - k })),
  );
  assert.deepEqual(result.ratings, expected);
  assert.deepEqual([result.method, result.seed, result.kbps, result.levelDbov], ["MUSHRA", 42, 9, -26]);
  assert.ok(result.systems.every(({ interval }) => interval!.length === 2));
  await page.locator("#results").setInputFiles([path, path]);
  await page.getByText("9 kbps: 2 listeners, 0 left out after post-screening").waitFor();
});

test("ABX refuses to compare a version with itself", async () => {
  await page.locator("#method").selectOption("abx");
  assert.ok(await page.locator("#rate").isHidden());
  assert.deepEqual(await page.locator("#version-b").locator("option").allTextContents(), ABX_VERSIONS);
  await page.locator("#version-a").selectOption(ABX_VERSIONS[1]!);
  await press("Start");
  const words = await page.locator("#version-b").evaluate((select) => (select as HTMLSelectElement).validationMessage);
  assert.match(words, /same version/);
});

test("ABX of two codecs by keyboard: answers need listening, and have a binomial interval", async () => {
  await page.locator("#version-b").selectOption(ABX_VERSIONS[2]!);
  await page.locator("#trials").fill("4");
  await start("abx", 7);
  for (let k = 1; k <= 4; k++) {
    await page.getByRole("heading", { name: `Trial ${k} of 4` }).waitFor();
    assert.ok(await page.getByRole("button", { name: "X is A" }).isDisabled());
    for (const name of ["Play A", "Play B"]) await press(name);
    assert.ok(await page.getByRole("button", { name: "X is A" }).isDisabled());
    await page.keyboard.press("x");
    assert.deepEqual(await seriousFaults(page), []);
    await press("X is A");
  }
  await statusLike(page, /complete/);
  const { result } = await saved<AbxResult>();
  assert.deepEqual([result.method, result.seed, result.n, result.trials.length], ["ABX", 7, 4, 4]);
  assert.deepEqual(result.versions, { A: ABX_VERSIONS[1], B: ABX_VERSIONS[2] });
  const planned = planAbx(ITEMS.length, 4, 7);
  assert.equal(result.right, planned.filter(({ x }) => x === "A").length);
  const binomial = [1, 4, 6, 4, 1].slice(result.right).reduce((sum, ways) => sum + ways / 16, 0);
  assert.ok(Math.abs(result.pValue - binomial) < 1e-9);
  assert.ok(result.interval[0] <= result.share && result.share <= result.interval[1]);
  assert.match((await page.locator("#result").textContent())!, /of 4 answers are right/);
});

test("a file that is no result is refused in words", async () => {
  await page.locator("#results").setInputFiles({ name: "a.json", mimeType: "application/json", buffer: wav([0]) });
  await statusLike(page, /cannot be combined/);
});

test("the page caused no error, and asked no other server", () => {
  assert.deepEqual(site.problems, []);
});

test("without samples, the page says how to make them", async () => {
  const bare = await openSite("listen.html", { "samples/samples.json": Buffer.from("no list") });
  await statusLike(bare.page, /no samples; `make samples`/);
  await bare.close();
});

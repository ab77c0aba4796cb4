/** The page of `docs/samples`, opened as a file: every sound loads and plays, without network. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openPage, seriousFaults } from "./site.js";

const PAGE = new URL("../../../../docs/samples/", import.meta.url);

interface List {
  readonly sampleRateHz: number;
  readonly recordings: readonly { readonly samples: number }[];
  readonly versions: readonly unknown[];
}

test("every sound of the samples page loads in a browser, with its whole duration, and plays", async () => {
  const { recordings, versions, sampleRateHz } = JSON.parse(
    readFileSync(new URL("samples.json", PAGE), "utf8"),
  ) as List;
  const { page, problems, close } = await openPage(new URL("index.html", PAGE).href);
  const found = await page.evaluate(async () => {
    const sounds = Array.from(document.querySelectorAll("audio"));
    const loaded = sounds.map(
      (sound) =>
        new Promise<number>((resolve, reject) => {
          sound.onloadedmetadata = () => resolve(sound.duration);
          sound.onerror = () => reject(new Error(sound.src));
          sound.preload = "metadata";
          sound.load();
        }),
    );
    const durations = await Promise.all(loaded);
    await sounds[0]!.play();
    await sounds[1]!.play();
    if (!sounds[0]!.paused) throw new Error("two sounds play");
    await sounds[0]!.play();
    await new Promise((resolve) => (sounds[0]!.ontimeupdate = () => sounds[0]!.currentTime > 0 && resolve(undefined)));
    return durations;
  });
  const expected = [null, ...versions].flatMap(() => recordings.map(({ samples }) => samples / sampleRateHz));
  assert.equal(found.length, expected.length);
  found.forEach((seconds, k) => assert.ok(Math.abs(seconds - expected[k]!) < 0.001, `${seconds}, ${expected[k]}`));
  assert.deepEqual(await seriousFaults(page), []);
  assert.deepEqual(problems, []);
  await close();
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { combine, HIDDEN_REFERENCE, mushraResult, planMushra, type Rating } from "../demo/mushra.js";

const ITEMS = 10;

/** Rate the hidden reference 100, below 90 in `low` items, and a codec 70 in all. */
function ratings(low: number): Rating[] {
  return Array.from({ length: ITEMS }, (_, t) => [
    { item: `${t}`, version: "codec", score: 70 },
    { item: `${t}`, version: HIDDEN_REFERENCE, score: t < low ? 80 : 100 },
  ]).flat();
}

test("every excerpt comes once, with all versions, in an order that follows from the seed", () => {
  const trials = planMushra(6, 8, 1);
  assert.deepEqual(trials.map(({ item }) => item).sort(), [0, 1, 2, 3, 4, 5]);
  for (const { order } of trials) assert.deepEqual([...order].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(new Set(trials.map(({ order }) => order.join())).size, 6);
  assert.deepEqual(planMushra(6, 8, 1), trials);
});

test("who rates the hidden reference below 90 in more than 15 % of the excerpts is left out", () => {
  const results = [0, 1, 2].map((low) => mushraResult(9, ratings(low), 3));
  assert.deepEqual(
    results.map(({ screening }) => [screening.share, screening.kept]),
    [
      [0, true],
      [0.1, true],
      [0.2, false],
    ],
  );
  const [combined, other] = combine([...results, mushraResult(12, ratings(0), 4)]);
  assert.deepEqual([combined!.kbps, combined!.listeners, combined!.leftOut], [9, 2, 1]);
  assert.deepEqual([other!.kbps, other!.listeners], [12, 1]);
  const [hidden, codec] = combined!.systems;
  assert.deepEqual([hidden!.version, hidden!.n, hidden!.mean], [HIDDEN_REFERENCE, 20, 99]);
  assert.deepEqual(codec, { version: "codec", n: 20, mean: 70, interval: [70, 70] });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { abxResult, planAbx } from "../demo/abx.js";

test("trials take every excerpt once before one comes again, and follow from the seed", () => {
  const trials = planAbx(6, 16, 42);
  assert.equal(trials.length, 16);
  for (const start of [0, 6]) {
    const items = trials.slice(start, start + 6).map(({ item }) => item);
    assert.deepEqual(items.sort(), [0, 1, 2, 3, 4, 5]);
  }
  assert.deepEqual(planAbx(6, 16, 42), trials);
  assert.notDeepEqual(planAbx(6, 16, 43), trials);
  const share = planAbx(6, 1000, 3).filter(({ x }) => x === "A").length / 1000;
  assert.ok(Math.abs(share - 0.5) < 0.05, `${share}`);
});

test("a result counts right answers and names what was heard", () => {
  const trials = [
    { item: 1, x: "A" },
    { item: 0, x: "B" },
    { item: 1, x: "B" },
  ] as const;
  const result = abxResult({ A: "one codec", B: "another" }, ["one", "two"], trials, ["A", "B", "A"], 5);
  assert.deepEqual(result.trials[2], { item: "two", x: "B", answer: "A" });
  assert.deepEqual([result.n, result.right, result.share, result.pValue, result.seed], [3, 2, 2 / 3, 0.5, 5]);
  assert.deepEqual(result.versions, { A: "one codec", B: "another" });
  assert.ok(result.interval[0] < 2 / 3 && result.interval[1] > 2 / 3);
});

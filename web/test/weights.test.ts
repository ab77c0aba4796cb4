import assert from "node:assert/strict";
import { test } from "node:test";
import { WeightsError } from "../src/errors.js";
import { readWeights, unpack } from "../src/weights.js";
import { weightsOf } from "./vectors.js";

const tensor = (shape: number[], values: number[]) => ({ shape, values: Float64Array.from(values) });

test("sparse tensors are restored group by group", () => {
  const stored = new Map([
    ["a/layout", tensor([4], [1, 2, 3, 4])],
    ["a/mask", tensor([1], [0b01100100])],
    ["a/values", tensor([6], [1, 2, 3, 4, 5, 6])],
    ["b", tensor([1], [7])],
  ]);
  const { a, b } = Object.fromEntries(unpack(stored)) as Record<string, { values: Float64Array }>;
  assert.deepEqual(Array.from(a!.values), [0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 5, 6]);
  assert.deepEqual(Array.from(b!.values), [7]);
});

test("frequency tables of all released weights are strictly increasing, from 0 to 65536", async () => {
  for (const name of ["cq", "cq3", "cq-sparse"]) {
    const { shape, values } = (await weightsOf(name)).tensors.get("tables")!;
    assert.deepEqual(shape, [64, 16, 83]);
    const wrong = values.findIndex((c, i) => c !== (i % 83 ? Math.max(values[i - 1]! + 1, c) : 0));
    assert.equal(wrong, -1);
    assert.ok(values.every((c, i) => i % 83 !== 82 || c === 65536));
  }
});

test("files that are no weights are refused", async () => {
  await assert.rejects(readWeights(new Uint8Array(5)), WeightsError);
  await assert.rejects(readWeights(new Uint8Array(100).fill(255)), WeightsError);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { applyLevels, levelOfByte } from "../src/level.js";

test("bytes 1 to 15 other than 8 are levels", () => {
  assert.deepEqual([1, 7, 9, 15].map(levelOfByte), [-7, -1, 1, 7]);
  assert.deepEqual([0, 8, 16, 255, undefined].map(levelOfByte), [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("the exponent changes linearly over the first hop - delay samples of a packet", () => {
  const [hop, delay] = [8, 2];
  const samples = new Float32Array(24).fill(1);
  applyLevels(samples, [0, 0, 3, 3], hop, delay);
  const exponents = Array.from(samples, (x) => Math.log2(x));
  const ramp = [1, 2, 3, 4, 5, 6, 6, 6].map((k) => k / 2);
  const expected = [...Array<number>(hop + delay).fill(0), ...ramp, ...Array<number>(hop - delay).fill(3)];
  exponents.forEach((exponent, n) => assert.ok(Math.abs(exponent - expected[n]!) < 1e-6, `sample ${n}: ${exponent}`));
});

test("the samples before the first packet have its level", () => {
  const samples = new Float32Array(16).fill(1);
  applyLevels(samples, [-1, -1, -1], 8, 2);
  assert.deepEqual(Array.from(samples), Array<number>(16).fill(0.5));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { generator, permutation } from "../demo/random.js";

test("a seed gives the same numbers everywhere, evenly in [0, 1)", () => {
  const random = generator(1);
  const numbers = Array.from({ length: 10000 }, random);
  const again = generator(1);
  assert.deepEqual(numbers.slice(0, 5), Array.from({ length: 5 }, again));
  assert.ok(numbers.every((x) => x >= 0 && x < 1));
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  assert.ok(Math.abs(mean - 0.5) < 0.01, `${mean}`);
  assert.notEqual(generator(2)(), generator(1)());
});

test("every order of three is as frequent as any other", () => {
  const random = generator(7);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = permutation(3, random).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  for (const [order, count] of counts) assert.ok(Math.abs(count - 1000) < 120, `${order}: ${count}`);
});

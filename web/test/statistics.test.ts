import assert from "node:assert/strict";
import { test } from "node:test";
import { guessingProbability, incompleteBeta, meanOf, shareInterval, studentQuantile } from "../demo/statistics.js";

const near = (found: number, expected: number, tolerance = 1e-4): void =>
  assert.ok(Math.abs(found - expected) < tolerance, `${found}, not ${expected}`);

test("the incomplete beta function has known values", () => {
  near(incompleteBeta(0.3, 1, 1), 0.3, 1e-12);
  near(incompleteBeta(0.5, 3, 3), 0.5, 1e-12);
  near(incompleteBeta(0.2, 2, 5), 0.34464, 1e-10); // 1 - 0.8^6 - 6 * 0.2 * 0.8^5
});

test("Student's t has the quantiles of its tables", () => {
  near(studentQuantile(0.975, 1), 12.7062);
  near(studentQuantile(0.975, 5), 2.5706);
  near(studentQuantile(0.975, 30), 2.0423);
});

test("a mean has the interval of Student's t", () => {
  const { n, mean, interval } = meanOf([90, 80, 100, 70]);
  assert.deepEqual([n, mean], [4, 85]);
  near(interval![0], 85 - 3.18245 * Math.sqrt(500 / 3 / 4), 1e-3);
  assert.equal(meanOf([5]).interval, undefined);
});

test("right answers have the binomial probability of guessing, and the interval of Clopper and Pearson", () => {
  near(guessingProbability(12, 16), 2517 / 65536, 1e-12);
  assert.equal(guessingProbability(0, 16), 1);
  const [low, high] = shareInterval(12, 16);
  near(low, 0.47623);
  near(high, 0.92734);
  near(shareInterval(16, 16)[0], 0.025 ** (1 / 16), 1e-9);
  assert.equal(shareInterval(16, 16)[1], 1);
  near(shareInterval(0, 16)[1], 1 - 0.025 ** (1 / 16), 1e-9);
});

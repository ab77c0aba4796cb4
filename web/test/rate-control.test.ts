import assert from "node:assert/strict";
import { test } from "node:test";
import { meetBudget, usualStep, type Write } from "../src/rate-control.js";

/** Return a writer whose packets have 100 bytes at step 0 and ten less per step, and one more after a change. */
function writer(): { write: Write; calls: () => number } {
  let calls = 0;
  const write: Write = (steps) => {
    calls++;
    return steps.map((step, t) => new Uint8Array(100 - 10 * step + (t && steps[t - 1] !== step ? 1 : 0)));
  };
  return { write, calls: () => calls };
}

const sum = (packets: readonly Uint8Array[]): number => packets.reduce((bytes, packet) => bytes + packet.length, 0);

test("packets meet the budget, with one change of the step index, in few trials", () => {
  for (const guess of [0, 2, 7]) {
    const { write, calls } = writer();
    const packets = meetBudget(write, 10, 655, 8, guess);
    assert.equal(sum(packets), 651);
    assert.ok(calls() <= 9);
  }
});

test("a budget that is too small or too large leads to the coarsest or the finest packets", () => {
  assert.equal(sum(meetBudget(writer().write, 10, 10, 8, 4)), 300);
  assert.equal(sum(meetBudget(writer().write, 10, 9999, 8, 4)), 1000);
  assert.deepEqual(meetBudget(writer().write, 0, -44, 8, 4), []);
});

test("higher bitrates have finer step sizes", () => {
  assert.deepEqual([9000, 12000, 24000].map(usualStep), [10, 7, 2]);
});

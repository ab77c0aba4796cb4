import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeDecoder } from "../src/range-decoder.js";
import { RangeEncoder } from "../src/range-encoder.js";

/** Return a small generator of numbers in [0, 1), the same on every machine. */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (16807 * state) % 2147483647) / 2147483647;
}

test("the example of the specification is written", () => {
  const encoder = new RangeEncoder();
  for (const symbol of [1, 2, 1, 1, 3, 1, 1, 4, 0, 1]) encoder.code([0, 1, 60000, 65000, 65535, 65536], 0, 5, symbol);
  assert.deepEqual(encoder.finish(), Uint8Array.of(0xe5, 0x8b, 0x78, 0x89, 0x83, 0xdb));
});

test("a packet without symbols has no bytes", () => {
  assert.equal(new RangeEncoder().finish().length, 0);
});

test("what is written is read, with carries through many bytes and every length", () => {
  const random = generator(7);
  for (let n = 0; n < 300; n++) {
    const cuts = Array.from({ length: n }, () => 1 + Math.floor(65535 * random() ** 8));
    const symbols = cuts.map((cut) => (random() < cut / 65536 ? 0 : 1));
    const encoder = new RangeEncoder();
    cuts.forEach((cut, i) => {
      encoder.code([0, cut, 65536], 0, 2, symbols[i]);
      encoder.raw(i % 17, i % 2 ** (i % 17));
    });
    const bytes = encoder.finish();
    const decoder = new RangeDecoder(bytes, 0, bytes.length);
    cuts.forEach((cut, i) => {
      assert.equal(decoder.code([0, cut, 65536], 0, 2), symbols[i]);
      assert.equal(decoder.raw(i % 17), i % 2 ** (i % 17));
    });
    assert.equal(decoder.finish(), bytes.length);
  }
});

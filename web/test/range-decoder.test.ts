import assert from "node:assert/strict";
import { test } from "node:test";
import { BitstreamError } from "../src/errors.js";
import { RangeDecoder } from "../src/range-decoder.js";

const TABLE = [0, 1, 60000, 65000, 65535, 65536];
const SYMBOLS = [1, 2, 1, 1, 3, 1, 1, 4, 0, 1];
const BYTES = [0xe5, 0x8b, 0x78, 0x89, 0x83, 0xdb];

function decode(bytes: readonly number[], end = bytes.length): { symbols: number[]; at: number } {
  const decoder = new RangeDecoder(Uint8Array.from(bytes), 0, end);
  return { symbols: SYMBOLS.map(() => decoder.code(TABLE, 0, 5)), at: decoder.finish() };
}

test("the example of the specification decodes", () => {
  assert.deepEqual(decode(BYTES), { symbols: SYMBOLS, at: 6 });
});

test("bytes after a packet do not change it", () => {
  assert.deepEqual(decode([...BYTES, 255, 1]), { symbols: SYMBOLS, at: 6 });
});

test("a packet with another last byte, or cut off, is damaged", () => {
  assert.throws(() => decode([...BYTES.slice(0, 5), 0xdc]), BitstreamError);
  assert.throws(() => decode(BYTES, 5), BitstreamError);
});

test("no number exceeds what a double holds exactly, with bytes and tables of every size", () => {
  const random = generator(1);
  const bytes = Uint8Array.from({ length: 4000 }, () => Math.floor(256 * random()));
  const decoder = new RangeDecoder(bytes, 0, bytes.length);
  let [range, low, window, used] = [1n << 48n, 0n, 0n, 6];
  for (let i = 0; i < 6; i++) window = 256n * window + BigInt(bytes[i]!);
  for (let i = 0; i < 3000; i++) {
    const cut = 1 + Math.floor(65535 * random() ** 4);
    const table = [0, cut, 65536];
    const unit = range >> 16n;
    const expected = (window - low) / unit >= BigInt(cut) ? 1 : 0;
    assert.equal(decoder.code(table, 0, 2), expected);
    low += unit * BigInt(table[expected]!);
    range = unit * BigInt(table[expected + 1]! - table[expected]!);
    while (range < 1n << 40n) {
      [low, range] = [256n * low, 256n * range];
      window = 256n * window + BigInt(bytes[used++]!);
    }
  }
});

/** Return a small generator of numbers in [0, 1), the same on every machine. */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (16807 * state) % 2147483647) / 2147483647;
}

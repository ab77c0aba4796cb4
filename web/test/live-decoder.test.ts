import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { BitstreamError } from "../src/errors.js";
import { LiveDecoder } from "../src/live-decoder.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { SpeechSynthesis } from "../src/speech-synthesis.js";
import { readNpz } from "./npz.js";
import { FOLDER, GRAPHS, pcm16, VECTORS, weightsOf } from "./vectors.js";

const COPY_OFFSET = 2; // packets

/** Return the packets of a live vector; null for lost ones. */
function packetsOf(name: string): (Uint8Array | null)[] {
  const { packets, sizes } = readNpz(`${FOLDER}${name}.npz`);
  let at = 0;
  return sizes!.values.map((size) => {
    at += size;
    return size ? Uint8Array.from(packets!.values.slice(at - size, at)) : null;
  });
}

for (const { name } of VECTORS.filter(({ weights, mode }) => weights === "cq3" && mode === "live")) {
  test(`${name}: lost packets are concealed, or replaced by copies, as they should be`, { skip: !GRAPHS }, async () => {
    const reader = new SpeechStreamReader(await weightsOf("cq3"));
    const synthesis = await SpeechSynthesis.load((file) => readFile(`${GRAPHS}/cq3/${file}`));
    const decoder = new LiveDecoder(reader.packets, synthesis, reader.signal.hop);
    const packets = packetsOf(name);
    assert.ok(packets.includes(null));
    const found: number[] = [];
    for (const [t, packet] of packets.entries()) {
      found.push(...pcm16(await decoder.push(packet, packets[t + COPY_OFFSET] ?? null)));
    }
    const expected = readNpz(`${FOLDER}${name}.npz`)["pcm"]!.values;
    assert.equal(found.length, expected.length);
    const worst = found.reduce((most, x, n) => Math.max(most, Math.abs(x - expected[n]!)), 0);
    assert.ok(worst <= 1, `${worst} steps`);
  });
}

test("bytes behind a copy are damage, unless they are zero", async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq3"));
  const live = VECTORS.filter(({ weights, mode }) => weights === "cq3" && mode === "live");
  const packets = live.flatMap(({ name }) => packetsOf(name)).filter((packet) => packet !== null);
  const packet = packets.find((packet) => reader.packets.readCopy(packet));
  assert.ok(packet);
  assert.ok(reader.packets.readCopy(Uint8Array.from([...packet, 0, 0])));
  for (const junk of [0x40, 0xff]) {
    assert.throws(() => reader.packets.readCopy(Uint8Array.from([...packet, junk])), BitstreamError);
  }
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { chooseLost, decodeFile, resetEvery } from "../demo/losses.js";
import { decodeStream, LiveDecoder, SpeechEncoder, SpeechStreamReader, SpeechSynthesis } from "../src/index.js";
import { DECODER_DELAY } from "../src/speech-stream.js";
import { GRAPHS, weightsOf } from "./vectors.js";

test("the share of lost packets is about that asked for, and the first one is never lost", () => {
  for (const loss of [0, 0.03, 0.1]) {
    const lost = chooseLost(5000, loss);
    assert.ok(Math.abs(lost.filter(Boolean).length / 5000 - loss) <= 0.1 * loss);
    assert.equal(lost[0], false);
  }
  assert.deepEqual([0, 0.01, 0.03, 0.1].map(resetEvery), [500, 5, 2, 1]);
});

test("a file without losses sounds as by the decoder of files, from its first sample", { skip: !GRAPHS }, async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq3"));
  const read = (file: string): Promise<Buffer> => readFile(`${GRAPHS}/cq3/${file}`);
  const [encoder, synthesis] = [await SpeechEncoder.load(reader, read), await SpeechSynthesis.load(read)];
  const loud = Float32Array.from({ length: 8000 }, (_, n) => 0.1 * Math.sign(Math.sin(0.05 * n)));
  const { packets, level, file } = await encoder.encode(loud, 12000);
  const decoder = new LiveDecoder(reader.packets, synthesis, reader.signal.hop, level);
  const found: number[] = [];
  for await (const samples of decodeFile(decoder, packets)) found.push(...samples);
  const expected = await decodeStream(reader.read(new Uint8Array(file)), synthesis, reader.signal);
  const worst = expected.reduce((most, x, n) => Math.max(most, Math.abs(x - found[n + DECODER_DELAY]!)), 0);
  assert.equal(expected.length, loud.length);
  assert.ok(worst <= 2 ** -15, `${worst}`);
});

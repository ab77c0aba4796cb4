import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { decodeStream } from "../src/decode-stream.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { SpeechSynthesis } from "../src/speech-synthesis.js";
import { readNpz } from "./npz.js";
import { FOLDER, GRAPHS, pcm16, streamOf, VECTORS, weightsOf } from "./vectors.js";

const RATE_HZ = 16000; // of the vectors that need no resampling
const LONGEST_S = 2; // segments are of integers alone, and the vector that has several is long
const chosen = VECTORS.filter(
  ({ weights, mode, sample_rate_hz, seconds }) =>
    weights !== "audio" && mode !== "live" && sample_rate_hz === RATE_HZ && seconds <= LONGEST_S,
);

for (const weights of new Set(chosen.map((vector) => vector.weights))) {
  test(`vectors of ${weights} sound as they should: PCM within one step of 16 bits`, { skip: !GRAPHS }, async () => {
    const reader = new SpeechStreamReader(await weightsOf(weights));
    const synthesis = await SpeechSynthesis.load((file) => readFile(`${GRAPHS}/${weights}/${file}`));
    for (const { name } of chosen.filter((vector) => vector.weights === weights)) {
      const samples = await decodeStream(reader.read(streamOf(name)), synthesis, reader.signal);
      const expected = readNpz(`${FOLDER}${name}.npz`)["pcm"]!.values;
      const found = pcm16(samples);
      assert.equal(found.length, expected.length, name);
      const worst = found.reduce((most, x, n) => Math.max(most, Math.abs(x - expected[n]!)), 0);
      assert.ok(worst <= 1, `${name}: ${worst} steps`);
    }
  });
}

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { envelopeDb, peakHz, SIZE, spectrumDb } from "../demo/envelope.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { SpeechSynthesis } from "../src/speech-synthesis.js";
import { GRAPHS, streamOf, weightsOf } from "./vectors.js";

test("the envelope of a resonance is highest at its frequency, with the gain in dB", () => {
  const radius = 0.95;
  const filter = Float64Array.of(1, -2 * radius * Math.cos((2 * Math.PI * 1000) / 16000), radius ** 2);
  const [quiet, loud] = [0, Math.LN10].map((logGain) => envelopeDb({ filter, logGain }));
  assert.ok(Math.abs(peakHz(quiet!, 16000) - 1000) < 50);
  quiet!.forEach((db, k) => assert.ok(Math.abs(loud![k]! - db - 20) < 1e-4));
});

test("the envelopes of a stream lie on the spectra of its sound", { skip: !GRAPHS }, async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq3"));
  const { hop } = reader.signal;
  const { frames } = reader.read(streamOf("cq3-9k"));
  const synthesis = await SpeechSynthesis.load((file) => readFile(`${GRAPHS}/cq3/${file}`));
  const sound = new Float32Array((frames.length + 1) * hop);
  const envelopes = [];
  for (const [t, { packet }] of frames.entries()) {
    sound.set(await synthesis.packet(packet!), t * hop);
    envelopes.push(synthesis.envelope);
  }
  const differences = envelopes.map((envelope, t) => {
    const spectrum = spectrumDb(sound, (t + 1) * hop + 32); // the subframe leaves the decoder 64 samples late
    const distance = envelopeDb(envelope).map((db, k) => db - spectrum[k]!);
    return distance.reduce((sum, db) => sum + db, 0) / (SIZE / 2);
  });
  const median = differences.sort((a, b) => a - b)[differences.length >> 1]!;
  assert.ok(Math.abs(median - 2.5) < 4, `${median} dB; the mean of the logarithm of noise is 2.5 dB below its power`);
});

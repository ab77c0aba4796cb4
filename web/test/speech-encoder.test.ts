import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { decodeStream } from "../src/decode-stream.js";
import { LiveDecoder } from "../src/live-decoder.js";
import { SpeechEncoder } from "../src/speech-encoder.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { SpeechSynthesis } from "../src/speech-synthesis.js";
import { readNpz } from "./npz.js";
import { FOLDER, GRAPHS, weightsOf } from "./vectors.js";

/** Return speech: what a vector of high quality decodes to, at a level. */
function speech(gain: number): Float32Array {
  return Float32Array.from(readNpz(`${FOLDER}cq-24k.npz`)["pcm"]!.values, (x) => (gain * x) / 32768);
}

/** Return the ratio of signal to noise in dB. */
function snrDb(x: Float32Array, y: Float32Array): number {
  const energy = (values: Float32Array): number => values.reduce((sum, v) => sum + v * v, 0);
  return 10 * Math.log10(energy(x) / energy(x.map((v, n) => v - y[n]!)));
}

test("encoded speech meets the bitrate and sounds like the original", { skip: !GRAPHS }, async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq3"));
  const read = (file: string) => readFile(`${GRAPHS}/cq3/${file}`);
  const encoder = await SpeechEncoder.load(reader, read);
  const synthesis = await SpeechSynthesis.load(read);
  for (const [bitrate, gain, level, leastDb] of [
    [9000, 1, 0, 3],
    [24000, 1, 0, 10],
    [16000, 0.01, -6, 6],
  ] as const) {
    const x = speech(gain);
    const { file, packets } = await encoder.encode(x, bitrate);
    assert.ok((8 * file.length) / (x.length / 16000) <= bitrate);
    assert.ok((8 * file.length) / (x.length / 16000) > 0.95 * bitrate);
    const stream = reader.read(file);
    assert.equal(packets.length, stream.frames.length);
    assert.equal(stream.frames[0]!.level, level);
    const y = await decodeStream(stream, synthesis, reader.signal);
    assert.equal(y.length, x.length);
    assert.ok(snrDb(x, y) > leastDb, `${bitrate} bit/s: ${snrDb(x, y)} dB`);
  }
});

test("packets that reset the context survive losses", { skip: !GRAPHS }, async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq3"));
  const read = (file: string) => readFile(`${GRAPHS}/cq3/${file}`);
  const { packets, level } = await (await SpeechEncoder.load(reader, read)).encode(speech(0.01), 16000, 2);
  const decoder = new LiveDecoder(reader.packets, await SpeechSynthesis.load(read), 320, level);
  const frames = [];
  for (const [t, packet] of packets.entries()) frames.push(await decoder.push(t % 10 === 5 ? null : packet));
  const y = Float32Array.from(frames.flatMap((frame) => Array.from(frame)).slice(64));
  const sounds = frames.filter((frame) => frame.some((v) => v !== 0));
  assert.ok(sounds.length > 0.9 * frames.length);
  assert.ok(
    y.every((v) => Math.abs(v) < 0.02),
    "the level returns after the decoder",
  );
});

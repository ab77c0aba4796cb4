import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../src/crc32.js";
import { BitstreamError } from "../src/errors.js";
import { SpeechStreamReader, type SpeechStream } from "../src/speech-stream.js";
import { streamOf, weightsOf } from "./vectors.js";

/** Return what reading ends with: an error's class, "read", or "cut off". */
function outcome(read: () => SpeechStream): unknown {
  try {
    return read().complete ? "read" : "cut off";
  } catch (error) {
    return (error as Error).constructor;
  }
}

test("a file with a changed byte is refused, a live stream refused or cut off", async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq"));
  for (const name of ["cq-9k-capped", "cq-24k-layers-stream"]) {
    const data = streamOf(name);
    const outcomes = Array.from({ length: 60 }, (_, i) => {
      const damaged = data.slice();
      damaged[Math.floor((i * data.length) / 60)]! ^= 1 << (i % 8);
      return outcome(() => reader.read(damaged));
    });
    assert.deepEqual(
      outcomes.filter((one) => one !== BitstreamError && one !== "cut off"),
      [],
      name,
    );
    assert.ok(outcomes.filter((one) => one === BitstreamError).length > 50, name);
  }
});

test("damaged packets behind a right CRC are refused or read, and cause no other error", async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq-sparse"));
  const data = streamOf("cq-sparse-24k-layers");
  const start = data[5]!;
  const outcomes = Array.from({ length: 24 }, (_, i) => {
    const damaged = data.slice();
    damaged[start + 8 + Math.floor((i * (data.length - start - 8)) / 24)]! ^= 1 << (i % 8);
    new DataView(damaged.buffer).setUint32(
      start + 4,
      crc32(damaged.subarray(start + 8), crc32(damaged.subarray(start, start + 4))),
    );
    return outcome(() => reader.read(damaged));
  });
  assert.ok(outcomes.every((one) => one === BitstreamError || one === "read"));
  assert.ok(outcomes.filter((one) => one === BitstreamError).length > 18);
});

test("files of other weights, and files that are cut off, are refused", async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq3"));
  assert.throws(() => reader.read(streamOf("cq-9k")), /weights/);
  const data = streamOf("cq3-9k");
  for (let n = 0; n < data.length; n += 37) assert.throws(() => reader.read(data.subarray(0, n)), BitstreamError);
});

test("a live stream that is cut off has its whole packets", async () => {
  const reader = new SpeechStreamReader(await weightsOf("cq"));
  const data = streamOf("cq-9k-stream");
  const whole = reader.read(data);
  const part = reader.read(data.subarray(0, Math.floor(data.length / 2)));
  assert.ok(part.frames.length > 10 && part.frames.length < whole.frames.length);
  assert.deepEqual(part.frames, whole.frames.slice(0, part.frames.length));
});

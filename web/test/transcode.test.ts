import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeEncoder } from "../src/range-encoder.js";
import { readSegments } from "../src/segments.js";
import type { SpeechPacket } from "../src/speech-packet.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { streamOf, VECTORS, weightsOf } from "./vectors.js";

const files = VECTORS.filter(({ weights, mode }) => weights !== "audio" && ["mean", "capped"].includes(mode));

/** Return the source of a packet without its enhancement layer. */
function coarse({ reset, step, side, latents }: SpeechPacket, layers: number) {
  const factor = layers ? 3 : 1;
  return { reset, step: step + 8 * layers, side, latent: (at: number) => Math.round(latents[at]! / factor) };
}

for (const { name, weights } of files) {
  test(`${name} is written again with the same bytes`, async () => {
    const reader = new SpeechStreamReader(await weightsOf(weights));
    const { coder } = reader.packets;
    const data = streamOf(name);
    const packets = reader.read(data).frames.map(({ packet }) => packet!);
    let [context, next] = [coder.initial(), 0];
    for (const segment of readSegments(data, data[5]!)) {
      const bytes = packets.slice(next, next + segment.packets).flatMap((packet) => {
        const encoder = new RangeEncoder();
        const coded = coder.code(encoder, context, coarse(packet, segment.layers));
        const written = Array.from(encoder.finish());
        const before = context;
        context = coded.context;
        if (segment.layers === 0) return written;
        const layer = new RangeEncoder();
        context = coder.codeLayer(layer, before, coded, packet.latents).context;
        return [...written, ...layer.finish()];
      });
      assert.deepEqual(bytes, Array.from(segment.payload));
      next += segment.packets;
    }
  });
}

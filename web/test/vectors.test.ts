import assert from "node:assert/strict";
import { test } from "node:test";
import { MusicStreamReader } from "../src/music-stream.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { readNpz } from "./npz.js";
import { FOLDER, streamOf, VECTORS, weightsOf } from "./vectors.js";

for (const { name, weights } of VECTORS.filter(({ mode }) => mode !== "live")) {
  test(`${name} decodes to the integers of its vector`, async () => {
    const Reader = weights === "audio" ? MusicStreamReader : SpeechStreamReader;
    const { frames } = new Reader(await weightsOf(weights)).read(streamOf(name));
    const expected = readNpz(`${FOLDER}${name}.npz`);
    const packets = frames.flatMap(({ packet }) => packet ?? []); // those that were sent
    assert.deepEqual(
      packets.map(({ step }) => step),
      expected["step"]!.values,
    );
    assert.deepEqual(
      packets.flatMap(({ side }) => Array.from(side)),
      expected["side"]!.values,
    );
    assert.deepEqual(
      packets.flatMap(({ latents }) => Array.from(latents)),
      expected["latents"]!.values,
    );
  });
}

/** Prints how many times faster than real time the codec runs here, in CPU time of one thread: `npm run speed`. */
import { readFile } from "node:fs/promises";
import { decodeStream } from "../src/decode-stream.js";
import { SpeechEncoder } from "../src/speech-encoder.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { SpeechSynthesis } from "../src/speech-synthesis.js";
import { readNpz } from "./npz.js";
import { FOLDER, GRAPHS, weightsOf } from "./vectors.js";

const RATE_HZ = 16000;
const reader = new SpeechStreamReader(await weightsOf("cq3"));
const read = (file: string): Promise<Uint8Array> => readFile(`${GRAPHS}/cq3/${file}`);
const encoder = await SpeechEncoder.load(reader, read);
const synthesis = await SpeechSynthesis.load(read);
const second = readNpz(`${FOLDER}cq-24k.npz`)["pcm"]!.values.map((x) => x / 32768);
const speech = Float32Array.from({ length: 10 * RATE_HZ }, (_, n) => second[n % second.length]!);

async function measured<T>(name: string, task: () => T | Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const result = await task();
  const { user, system } = process.cpuUsage(before);
  console.log(
    `${name}: ${((speech.length / RATE_HZ) * (1e6 / (user + system))).toFixed(1)} times faster than real time`,
  );
  return result;
}

// The first run includes the compilation of WebAssembly.
await decodeStream(reader.read((await encoder.encode(speech, 12000)).file), synthesis, reader.signal);
for (const bitrate of [9000, 24000]) {
  const { file } = await measured(`encode at ${bitrate} bit/s`, () => encoder.encode(speech, bitrate));
  const stream = await measured("read the integers", () => reader.read(file));
  await measured("synthesise", () => decodeStream(stream, synthesis, reader.signal));
}

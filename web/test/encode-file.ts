/** Encodes a file of float32 samples: `node encode-file.js SAMPLES BITRATE OUTPUT`, for a test of the Python decoder. */
import { readFile, writeFile } from "node:fs/promises";
import { SpeechEncoder } from "../src/speech-encoder.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { GRAPHS, weightsOf } from "./vectors.js";

const [samples, bitrate, output] = process.argv.slice(2) as [string, string, string];
const reader = new SpeechStreamReader(await weightsOf("cq3"));
const encoder = await SpeechEncoder.load(reader, (file) => readFile(`${GRAPHS}/cq3/${file}`));
const bytes = await readFile(samples);
const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const { file } = await encoder.encode(x, Number(bitrate));
await writeFile(output, file);

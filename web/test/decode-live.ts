/**
 * Decode live packets with cq3, where lost ones may be interpolated: `node decode-live.js PACKETS OUT`. PACKETS is a
 * JSON array of arrays of bytes, null for a lost packet; OUT gets float32 samples at 16 kHz.
 */
import { readFile, writeFile } from "node:fs/promises";
import { LiveDecoder, nextReceived } from "../src/live-decoder.js";
import { SpeechStreamReader } from "../src/speech-stream.js";
import { SpeechSynthesis } from "../src/speech-synthesis.js";
import { GRAPHS, weightsOf } from "./vectors.js";

const [input, output] = process.argv.slice(2) as [string, string];
const packets = (JSON.parse(await readFile(input, "utf8")) as (number[] | null)[]).map((p) => p && Uint8Array.from(p));
const reader = new SpeechStreamReader(await weightsOf("cq3"));
const synthesis = await SpeechSynthesis.load((file) => readFile(`${GRAPHS}/cq3/${file}`));
const decoder = new LiveDecoder(reader.packets, synthesis, reader.signal.hop);
const frames: Float32Array[] = [];
for (const [t, packet] of packets.entries()) frames.push(await decoder.push(packet, null, ...nextReceived(packets, t)));
await writeFile(output, Buffer.concat(frames.map((frame) => Buffer.from(frame.slice().buffer))));

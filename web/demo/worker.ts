/** Codes speech in a worker of its own, so that the page stays responsive. */
import {
  LiveDecoder,
  readWeights,
  SpeechEncoder,
  SpeechStreamReader,
  SpeechSynthesis,
  type Envelope,
} from "../src/index.js";
import { DECODER_DELAY } from "../src/speech-stream.js";
import { chooseLost, decodeFile, resetEvery } from "./losses.js";
import type { Reply, Request } from "./messages.js";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Request>) => void;
  postMessage(reply: Reply): void;
};

async function fetched(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be loaded: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function load() {
  const reader = new SpeechStreamReader(await readWeights(await fetched("cq3.safetensors")));
  const read = (file: string): Promise<Uint8Array> => fetched(`graphs/${file}`);
  const encoder = await SpeechEncoder.load(reader, read);
  return { reader, encoder, synthesis: await SpeechSynthesis.load(read) };
}

const codec = load();
let queue: Promise<void> = codec.then(
  () => scope.postMessage({ kind: "ready" }),
  (error: Error) => scope.postMessage({ kind: "failed", text: error.message }),
);

async function code({ samples, bitrateBps, loss }: Request): Promise<Reply> {
  const { reader, encoder, synthesis } = await codec;
  const { hop } = reader.signal;
  const start = performance.now();
  const { packets, level, file } = await encoder.encode(samples, bitrateBps, resetEvery(loss));
  const encoded = performance.now();
  const lost = chooseLost(packets.length, loss);
  const decoder = new LiveDecoder(reader.packets, synthesis, hop, level);
  const decoded = new Float32Array(packets.length * hop);
  const envelopes: Envelope[] = [];
  const received = packets.map((packet, t) => (lost[t] ? null : packet));
  for await (const samples of decodeFile(decoder, received)) {
    decoded.set(samples, envelopes.length * hop);
    const { filter, logGain } = synthesis.envelope;
    envelopes.push({ filter, logGain: logGain + level * Math.LN2 });
  }
  return {
    kind: "coded",
    decoded: decoded.slice(DECODER_DELAY, DECODER_DELAY + samples.length),
    file: new Uint8Array(file),
    bits: packets.map((packet) => 8 * packet.length),
    lost,
    envelopes,
    seconds: { encode: (encoded - start) / 1000, decode: (performance.now() - encoded) / 1000 },
  };
}

// One request after the other: the state of the networks belongs to one stream at a time.
scope.onmessage = ({ data }) => {
  queue = queue
    .then(() => code(data))
    .catch((error: Error): Reply => ({ kind: "failed", text: error.message }))
    .then((reply) => scope.postMessage(reply));
};

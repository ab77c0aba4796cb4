import type { Signal } from "./header.js";
import { applyLevels } from "./level.js";
import { NOTHING, type SpeechPacket } from "./speech-packet.js";
import type { Frame } from "./stream.js";
import { DECODER_DELAY, type SpeechStream } from "./speech-stream.js";
import type { SpeechSynthesis } from "./speech-synthesis.js";

/**
 * Synthesise a whole file or live stream.
 *
 * @returns mono samples in [-1, 1] at the coding rate; resample them to `header.sampleRateHz` if that differs, and keep
 * `stream.length` of them
 */
export async function decodeStream(
  stream: SpeechStream,
  synthesis: SpeechSynthesis,
  { hop, codingRateHz }: Signal,
): Promise<Float32Array> {
  synthesis.restart();
  if (!stream.header.live && synthesis.conceals) await synthesis.lost(NOTHING); // the networks do not begin with zeros
  const samples = new Float32Array(stream.frames.length * hop + DECODER_DELAY);
  let background: Int32Array | undefined;
  for (const [t, frame] of stream.frames.entries()) {
    background = backgroundOf(frame, background ?? stream.frames[t - 1]?.packet?.side);
    samples.set(await frameSamples(frame, background, synthesis, hop), t * hop);
  }
  applyLevels(samples, [stream.levelBefore, ...stream.frames.map(({ level }) => level)], hop, DECODER_DELAY);
  const { length } = stream;
  const n = length === undefined ? Infinity : Math.ceil((length * codingRateHz) / stream.header.sampleRateHz);
  return samples.slice(stream.skip, stream.skip + n).map((x) => Math.min(Math.max(x, -1), 1));
}

/** Return the side integers of comfort noise for this frame, if it is comfort noise. */
function backgroundOf(
  { packet, descriptor }: Frame<SpeechPacket>,
  before: Int32Array | undefined,
): Int32Array | undefined {
  if (descriptor) return packet!.side;
  return packet ? undefined : before;
}

async function frameSamples(
  { packet }: Frame<SpeechPacket>,
  background: Int32Array | undefined,
  synthesis: SpeechSynthesis,
  hop: number,
): Promise<Float32Array> {
  if (background) return synthesis.comfortNoise(background);
  return packet ? synthesis.packet(packet) : new Float32Array(hop);
}

import { crc32 } from "./crc32.js";
import type { Signal } from "./header.js";

const HEADER_BYTES = 36;
const SEGMENT_BYTES = 8;
const MEAN_RATE = 1;

/** Most packets of a segment: ten seconds of speech. */
export const SEGMENT_PACKETS = 500;

/** Return the bytes of a file that are not packets. */
export function overheadBytes(packets: number): number {
  return HEADER_BYTES + SEGMENT_BYTES * Math.max(Math.ceil(packets / SEGMENT_PACKETS), 1);
}

/** What a file's header says of its audio, which has the coding rate of the codec. */
export interface Audio {
  readonly samples: number;
  readonly bitrateBps: number;
  readonly level: number;
}

/** Return a file of packets of one layer. Those that begin a segment must reset the context. */
export function writeFile(packets: readonly Uint8Array[], audio: Audio, signal: Signal): Uint8Array {
  const parts = [header(audio, signal)];
  for (let first = 0; first === 0 || first < packets.length; first += SEGMENT_PACKETS) {
    const last = first + SEGMENT_PACKETS >= packets.length;
    parts.push(segment(packets.slice(first, first + SEGMENT_PACKETS), audio.level, last));
  }
  return concatenate(parts);
}

function header({ samples, bitrateBps }: Audio, { model, codec, codingRateHz, hop }: Signal): Uint8Array {
  const data = new Uint8Array(HEADER_BYTES);
  const view = new DataView(data.buffer);
  data.set([0xcf, 0x63, 0x71, 0x0a, 1, HEADER_BYTES]);
  view.setUint32(6, samples);
  view.setUint8(10, codingRateHz >> 16);
  view.setUint16(11, codingRateHz % 65536);
  view.setUint16(13, bitrateBps % 65536);
  view.setBigUint64(15, BigInt(`0x${model}`));
  view.setUint8(23, 1);
  view.setUint8(24, Math.floor(bitrateBps / 65536));
  view.setUint8(25, 16 * codec + MEAN_RATE);
  view.setUint16(26, codingRateHz);
  view.setUint16(28, hop);
  view.setUint16(30, samples % 65536);
  view.setUint32(HEADER_BYTES - 4, crc32(data.subarray(0, HEADER_BYTES - 4)));
  return data;
}

function segment(packets: readonly Uint8Array[], level: number, last: boolean): Uint8Array {
  const payload = concatenate(packets);
  const head = new Uint8Array(SEGMENT_BYTES);
  const view = new DataView(head.buffer);
  view.setUint16(0, (last ? 1 << 15 : 0) + ((level & 15) << 10) + packets.length);
  view.setUint16(2, payload.length);
  view.setUint32(4, crc32(payload, crc32(head.subarray(0, 4))));
  return concatenate([head, payload]);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

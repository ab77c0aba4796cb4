import { ByteReader } from "./byte-reader.js";
import { crc32 } from "./crc32.js";
import { BitstreamError } from "./errors.js";

/** Up to 500 packets of a file that can be decoded without those before. */
export interface Segment {
  readonly packets: number;
  readonly layers: number;
  readonly level: number;
  readonly constantSize: boolean;
  readonly payload: Uint8Array;
}

const MOST_PACKETS = 500;

/** Read all segments of a file, from byte `start` on. @throws {BitstreamError} if one is damaged, or bytes follow */
export function readSegments(data: Uint8Array, start: number): Segment[] {
  const reader = new ByteReader(data, start);
  const segments: Segment[] = [];
  let last = false;
  while (!last) {
    const at = reader.position;
    const [word, length, crc] = [reader.uint(2), reader.uint(2), reader.uint(4)];
    const payload = reader.bytes(length);
    if (crc32(payload, crc32(data.subarray(at, at + 4))) !== crc) {
      throw new BitstreamError(`segment ${segments.length} is damaged: its CRC is wrong`);
    }
    segments.push(segment(word, payload));
    last = word >> 15 === 1;
  }
  if (reader.left) throw new BitstreamError(`${reader.left} bytes follow the last segment`);
  return segments;
}

function segment(word: number, payload: Uint8Array): Segment {
  const packets = word & 511;
  const unsigned = (word >> 10) & 15;
  const constantSize = ((word >> 14) & 1) === 1;
  if (packets > MOST_PACKETS) throw new BitstreamError(`a segment has ${packets} packets; ${MOST_PACKETS} are allowed`);
  if (unsigned === 8) throw new BitstreamError("a segment has the level -8; -7 to 7 are allowed");
  if (constantSize && payload.length % Math.max(packets, 1)) {
    throw new BitstreamError(`${packets} packets of constant size have ${payload.length} bytes`);
  }
  return { packets, layers: (word >> 9) & 1, level: unsigned < 8 ? unsigned : unsigned - 16, constantSize, payload };
}

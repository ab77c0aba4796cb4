import { ByteReader } from "./byte-reader.js";
import { crc32 } from "./crc32.js";
import { BitstreamError } from "./errors.js";

/** The records of a live stream. */
export interface Records {
  /** Bytes of the packets with their enhancement layers; an empty one was not sent. */
  readonly packets: readonly Uint8Array[];
  /** Length of the original in samples per channel; undefined if the stream is cut off before its length record. */
  readonly length: number | undefined;
  /** Whether the stream has its end. */
  readonly complete: boolean;
}

/**
 * Read the records of a live stream, from byte `start` on. `packetsOf` gives the number of packets by the length.
 *
 * @throws {BitstreamError} if a record is damaged; a stream that is cut off is not damaged
 */
export function readRecords(data: Uint8Array, start: number, packetsOf: (length: number) => number): Records {
  const reader = new ByteReader(data, start);
  const packets: Uint8Array[] = [];
  let [length, crc]: [number | undefined, number] = [undefined, 0];
  while (length === undefined || packets.length !== packetsOf(length)) {
    const size = recordSize(data, reader.position);
    if (size === undefined || reader.left < size + 1) return { packets, length, complete: false };
    const record = reader.bytes(size);
    crc = crc32(record, crc);
    if (reader.uint(1) !== (crc & 255))
      throw new BitstreamError(`record ${packets.length} is damaged: its check is wrong`);
    if (record[0] !== 0) {
      packets.push(record.subarray(record[0]! < 64 ? 1 : 2));
    } else if (length !== undefined) {
      throw new BitstreamError("the stream has a second length record");
    } else {
      length = new ByteReader(record, 1).uint(5);
      if (packets.length > packetsOf(length)) {
        throw new BitstreamError(`${packets.length} packets precede the length record of ${packetsOf(length)} packets`);
      }
    }
  }
  if (reader.left < 4) return { packets, length, complete: false };
  if (reader.uint(4) !== crc) throw new BitstreamError("the stream is damaged: its CRC is wrong");
  if (reader.left) throw new BitstreamError(`${reader.left} bytes follow the end of the stream`);
  return { packets, length, complete: true };
}

/** Return the bytes of the record at `at` without its check; undefined if they end before its size is known. */
function recordSize(data: Uint8Array, at: number): number | undefined {
  const first = data[at];
  if (first === undefined) return undefined;
  if (first === 0) return 6;
  if (first < 64) return first;
  if (first >= 128) throw new BitstreamError(`a record begins with ${first}; 0 to 127 are allowed`);
  const second = data[at + 1];
  if (second === undefined) return undefined;
  const size = 256 * (first - 64) + second - 1;
  if (size < 63) throw new BitstreamError(`a record has a size of ${size} in two bytes; 63 is the least`);
  return 2 + size;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../src/crc32.js";
import { BitstreamError } from "../src/errors.js";
import { checkSignal, originalLength, readHeader } from "../src/header.js";
import { readRecords } from "../src/records.js";
import { readSegments } from "../src/segments.js";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

const PLAIN = bytes("CF63710A 01 1B 0000BB80 00AC44 2328 0123456789ABCDEF 81AF23BE");
const SEGMENT = bytes("8003 0003 2BA6B1C3 010203");
const FULL = bytes("CF63710A 01 24 00003E80 00AC44 2328 0123456789ABCDEF 0100113E800140AC43 5E0C3113");
const RECORDS = bytes("03010226 01D1 0000000002805D 020312 3E48EF12");
const packetsOf = (n: number): number => Math.ceil((n + 192) / 320);

/** Return a header with other bytes and a right CRC. */
function changed(header: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const data = header.slice();
  data.set(values, at);
  new DataView(data.buffer).setUint32(data.length - 4, crc32(data.subarray(0, -4)));
  return data;
}

/** Return a segment of the given head and payload. */
function segment(head: number, payload: number[]): Uint8Array {
  const data = new Uint8Array(8 + payload.length);
  const view = new DataView(data.buffer);
  data.set(payload, 8);
  view.setUint16(0, head);
  view.setUint16(2, payload.length);
  view.setUint32(4, crc32(data.subarray(8), crc32(data.subarray(0, 4))));
  return data;
}

test("the headers of the specification are read", () => {
  const header = { version: 1, sampleRateHz: 44100, bitrateBps: 9000, model: "0123456789abcdef", channels: 1 };
  assert.deepEqual(readHeader(PLAIN), { ...header, size: 27, samples: 48000 });
  const signal = { codec: 1, rateMode: 1, codingRateHz: 16000, hop: 320 };
  assert.deepEqual(readHeader(FULL), { ...header, size: 36, samples: 16000, signal, length: 44099 });
  assert.equal(originalLength(readHeader(FULL), 16000), 44099);
  assert.equal(originalLength(readHeader(PLAIN), 44100), 48000);
});

test("damaged headers are refused", () => {
  for (let at = 0; at < FULL.length; at++) {
    const data = FULL.slice();
    data[at]! ^= 4;
    assert.throws(() => readHeader(data), BitstreamError, `byte ${at}`);
    assert.throws(() => readHeader(FULL.subarray(0, at)), BitstreamError, `${at} bytes`);
  }
  for (const [at, ...values] of [
    [4, 3],
    [10, 0, 3, 231],
    [10, 11, 184, 1],
    [13, 0, 0],
    [23, 0],
    [23, 3],
    [26, 0, 0],
    [28, 0, 0],
  ]) {
    assert.throws(() => readHeader(changed(FULL, at!, ...values)), BitstreamError, `byte ${at}: ${values}`);
  }
  assert.throws(() => originalLength(readHeader(changed(FULL, 30, 0, 0)), 16000), BitstreamError);
});

test("headers of other signals are refused", () => {
  const speech = { model: "0123456789abcdef", codec: 1, codingRateHz: 16000, hop: 320, channels: 1, delay: 64 };
  checkSignal(readHeader(FULL), speech);
  for (const other of [{ model: "0" }, { codec: 2 }, { codingRateHz: 44100 }, { hop: 1024 }]) {
    assert.throws(() => checkSignal(readHeader(FULL), { ...speech, ...other }), BitstreamError);
  }
  assert.throws(() => checkSignal(readHeader(changed(FULL, 23, 2)), speech), BitstreamError);
});

test("the segment of the specification is read", () => {
  const expected = { packets: 3, layers: 0, level: 0, constantSize: false, payload: Uint8Array.of(1, 2, 3) };
  assert.deepEqual(readSegments(SEGMENT, 0), [expected]);
  const [first, second] = readSegments(Uint8Array.from([...segment(0x2601, [7]), ...segment(0xc003, [1, 2, 3])]), 0);
  assert.deepEqual([first!.level, first!.layers, first!.packets], [-7, 1, 1]);
  assert.equal(second!.constantSize, true);
});

test("damaged segments are refused", () => {
  for (let at = 0; at < SEGMENT.length; at++) {
    const data = SEGMENT.slice();
    data[at]! ^= 64;
    assert.throws(() => readSegments(data, 0), BitstreamError, `byte ${at}`);
    assert.throws(() => readSegments(SEGMENT.subarray(0, at), 0), BitstreamError, `${at} bytes`);
  }
  assert.throws(() => readSegments(Uint8Array.from([...SEGMENT, 0]), 0), /bytes follow/);
  assert.throws(() => readSegments(segment(0x81f5, [1]), 0), /501 packets/);
  assert.throws(() => readSegments(segment(0xa001, [1]), 0), /level -8/);
  assert.throws(() => readSegments(segment(0xc002, [1]), 0), /constant size/);
});

test("the records of the specification are read", () => {
  const { packets, length, complete } = readRecords(RECORDS, 0, packetsOf);
  assert.deepEqual(
    packets.map((packet) => Array.from(packet)),
    [[1, 2], [], [3]],
  );
  assert.deepEqual([length, complete], [640, true]);
});

test("a stream that is cut off has its whole packets", () => {
  const counts = Array.from(RECORDS.keys(), (n) => readRecords(RECORDS.subarray(0, n), 0, packetsOf));
  const expected = [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3];
  assert.deepEqual(
    counts.map(({ packets }) => packets.length),
    expected,
  );
  assert.ok(counts.every(({ complete }) => !complete));
});

test("damaged records are refused", () => {
  const record = (...content: number[]): number[] => [...content, crc32(Uint8Array.from(content)) & 255];
  const read = (data: number[]): unknown => readRecords(Uint8Array.from(data), 0, packetsOf);
  assert.throws(() => read(record(128, 0)), /begins with 128/);
  assert.throws(() => read([64, 63, ...Array<number>(70).fill(0)]), /two bytes/);
  assert.throws(() => read([...Array.from(RECORDS), 0]), /bytes follow/);
  assert.throws(() => read([3, 1, 2, 0x27, 1, 1]), /check/);
  assert.throws(() => read([...Array.from(RECORDS).slice(0, -1), 0x13]), /CRC/);
  const twice = [0, 0, 0, 0, 2, 128];
  assert.throws(
    () => read([...record(...twice), ...twice, crc32(Uint8Array.from([...twice, ...twice])) & 255]),
    /second length/,
  );
});

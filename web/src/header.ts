import { ByteReader } from "./byte-reader.js";
import { crc32 } from "./crc32.js";
import { BitstreamError } from "./errors.js";
import { mod } from "./notation.js";

/** The header of a file (version 1) or of a live stream (version 2). */
export interface Header {
  readonly version: number;
  /** Length of the header in bytes. */
  readonly size: number;
  /** Length of the audio at the coding rate; 0 in live streams. */
  readonly samples: number;
  readonly sampleRateHz: number;
  readonly bitrateBps: number;
  /** First 8 bytes of the SHA-256 of the weights, in hexadecimal. */
  readonly model: string;
  readonly channels: number;
  /** Present in headers of 36 bytes and more. */
  readonly signal?: {
    readonly codec: number;
    readonly rateMode: number;
    readonly codingRateHz: number;
    readonly hop: number;
  };
  /** Low 16 bits of the length of the original, if present. */
  readonly length?: number;
  /** Of a live stream. */
  readonly live?: { readonly layers: number; readonly preSkip: number };
}

const MAGIC = [0xcf, 0x63, 0x71, 0x0a];
const PLAIN = 27; // bytes of the shortest header
const WITH_CHANNELS = 29;
const WITH_SIGNAL = 36;
const LIVE = 39;

/**
 * Read and check the header at the beginning of a stream.
 *
 * @throws {BitstreamError} if it is damaged; `checkSignal` compares it with the weights
 */
export function readHeader(data: Uint8Array): Header {
  if (MAGIC.some((byte, i) => data[i] !== byte)) throw new BitstreamError("this is not a .cq stream");
  const reader = new ByteReader(data, 4);
  const [version, size] = [reader.uint(1), reader.uint(1)];
  if (version !== 1 && version !== 2) throw new BitstreamError(`the stream has version ${version}; 1 and 2 are known`);
  const least = version === 2 ? LIVE : PLAIN;
  if (size < least) throw new BitstreamError(`the header has ${size} bytes; version ${version} has ${least} or more`);
  if (data.length < size) throw new BitstreamError(`the stream ends within its header of ${size} bytes`);
  if (crc32(data.subarray(0, size - 4)) !== new ByteReader(data, size - 4).uint(4)) {
    throw new BitstreamError("the header is damaged: its CRC is wrong");
  }
  const [samples, sampleRateHz, low] = [reader.uint(4), reader.uint(3), reader.uint(2)];
  const model = Array.from(reader.bytes(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const [channels, high] = size >= WITH_CHANNELS ? [reader.uint(1), reader.uint(1)] : [1, 0];
  const header: Header = { version, size, samples, sampleRateHz, bitrateBps: 65536 * high + low, model, channels };
  const extended = size >= WITH_SIGNAL ? { ...header, ...readExtension(reader, version) } : header;
  checkRanges(extended);
  return extended;
}

function readExtension(reader: ByteReader, version: number): Partial<Header> {
  const kind = reader.uint(1);
  const signal = { codec: kind >> 4, rateMode: kind & 15, codingRateHz: reader.uint(2), hop: reader.uint(2) };
  const length = reader.uint(2);
  return { signal, length, ...(version === 2 ? { live: { layers: reader.uint(1), preSkip: reader.uint(2) } } : {}) };
}

function checkRanges({ version, samples, sampleRateHz, bitrateBps, channels, signal, length }: Header): void {
  const require = (valid: boolean, text: string): void => {
    if (!valid) throw new BitstreamError(`the header is damaged: ${text}`);
  };
  require(sampleRateHz >= 1000 && sampleRateHz <= 768000, `a sample rate of ${sampleRateHz} Hz`);
  require(bitrateBps >= 1, "a bitrate of 0");
  require(channels === 1 || channels === 2, `${channels} channels`);
  require(!signal || (signal.codingRateHz > 0 && signal.hop > 0), "a coding rate or hop of 0");
  require(version === 1 || (samples === 0 && length === 0), "a live stream with a length in its header");
}

/** Return the length of the original in samples per channel at its sample rate. @throws {BitstreamError} */
export function originalLength({ samples, sampleRateHz, length }: Header, codingRateHz: number): number {
  if (length === undefined) return Math.ceil((samples * sampleRateHz) / codingRateHz);
  const longest = Math.floor((samples * sampleRateHz) / codingRateHz);
  const n = longest - mod(longest - length, 65536);
  if (n < 0 || Math.ceil((n * codingRateHz) / sampleRateHz) !== samples) {
    throw new BitstreamError(`the header is damaged: no signal has ${samples} samples and the length field ${length}`);
  }
  return n;
}

/** The codecs, as headers number them. */
export const CODEC_SPEECH = 1;
export const CODEC_MUSIC = 2;

/** The properties of a codec that a header must agree with. */
export interface Signal {
  readonly model: string;
  readonly codec: number;
  readonly codingRateHz: number;
  readonly hop: number;
  readonly channels: number;
  /** Samples by which the decoder's output lags its packets. */
  readonly delay: number;
}

/** Compare a header with the codec of the decoder. @throws {BitstreamError} if the stream needs another one */
export function checkSignal(header: Header, expected: Signal): void {
  const { model, signal, channels, live } = header;
  if (model !== expected.model) {
    throw new BitstreamError(`the stream was coded with weights ${model}, the decoder has ${expected.model}`);
  }
  if (channels > expected.channels)
    throw new BitstreamError(`${channels} channels; this codec has ${expected.channels}`);
  const agrees = (["codec", "codingRateHz", "hop"] as const).every((key) => !signal || signal[key] === expected[key]);
  if (!agrees)
    throw new BitstreamError("the header is damaged: its codec, coding rate or hop is not that of the weights");
  const mostLayers = expected.codec === CODEC_SPEECH ? 1 : 0;
  if (live && live.layers > mostLayers)
    throw new BitstreamError(`the header is damaged: ${live.layers} enhancement layers`);
}

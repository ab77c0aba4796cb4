import { BitstreamError } from "./errors.js";
import { checkSignal, originalLength, readHeader, type Header, type Signal } from "./header.js";
import { readRecords } from "./records.js";
import { readSegments, type Segment } from "./segments.js";
import { SpeechPacketCoder } from "./speech-packet.js";
import { SpeechPacketReader, type Frame } from "./speech-packet-reader.js";
import { speechTensors } from "./speech-tensors.js";
import type { Weights } from "./weights.js";

/** Samples by which the decoder's output lags its packets, at the coding rate. */
export const DECODER_DELAY = 64;

/** All integers of a file or of a live stream. */
export interface SpeechStream {
  readonly header: Header;
  readonly frames: readonly Frame[];
  /** Level before the first packet. */
  readonly levelBefore: number;
  /** Samples that are dropped at the beginning of the decoder's output, at the coding rate. */
  readonly skip: number;
  /** Length of the original in samples per channel, at its sample rate; undefined in a stream that is cut off. */
  readonly length: number | undefined;
  /** Whether the end of the stream is there; a live stream may be cut off. */
  readonly complete: boolean;
}

/** Reads streams of one weights file. */
export class SpeechStreamReader {
  readonly packets: SpeechPacketReader;
  readonly signal: Signal;

  constructor(weights: Weights) {
    const { sample_rate_hz: codingRateHz, hop } = weights.config.spec;
    this.packets = new SpeechPacketReader(new SpeechPacketCoder(speechTensors(weights)));
    this.signal = { model: weights.model, codec: 1, codingRateHz, hop, channels: 1 };
  }

  /** Read a whole stream. @throws {BitstreamError} if it is damaged in any way that can be noticed */
  read(data: Uint8Array): SpeechStream {
    const header = readHeader(data);
    checkSignal(header, this.signal);
    return header.live ? this.readLive(data, header, header.live) : this.readFile(data, header);
  }

  private readFile(data: Uint8Array, header: Header): SpeechStream {
    const length = originalLength(header, this.signal.codingRateHz);
    const segments = readSegments(data, header.size);
    const frames = segments.flatMap((segment) => this.readSegment(segment));
    const needed = header.samples ? Math.ceil((header.samples + DECODER_DELAY) / this.signal.hop) : 0;
    if (frames.length !== needed) {
      throw new BitstreamError(`${header.samples} samples need ${needed} packets; the file has ${frames.length}`);
    }
    return { header, frames, levelBefore: frames[0]?.level ?? 0, skip: DECODER_DELAY, length, complete: true };
  }

  private readSegment({ packets, layers, level, constantSize, payload }: Segment): Frame[] {
    const size = payload.length / packets;
    const frames: Frame[] = [];
    let [context, at] = [this.packets.initial(), 0];
    for (let i = 0; i < packets; i++) {
      const read = this.packets.read(payload, at, context, layers);
      ({ context, at } = read);
      frames.push({ packet: read.packet, descriptor: false, level });
      if (!constantSize) continue;
      const end = (i + 1) * size;
      if (at > end || payload.subarray(at, end).some((byte) => byte)) {
        throw new BitstreamError(`packet ${i} of a segment does not fit its constant size of ${size} bytes`);
      }
      at = end;
    }
    if (at !== payload.length) throw new BitstreamError(`${payload.length - at} bytes follow the packets of a segment`);
    return frames;
  }

  private readLive(data: Uint8Array, header: Header, live: { layers: number; preSkip: number }): SpeechStream {
    const { codingRateHz, hop } = this.signal;
    const packetsOf = (n: number): number =>
      n ? Math.ceil((Math.ceil((n * codingRateHz) / header.sampleRateHz) + live.preSkip) / hop) : 0;
    const { packets, length, complete } = readRecords(data, header.size, packetsOf);
    const frames: Frame[] = [];
    let [context, level] = [this.packets.initial(), 0];
    for (const bytes of packets) {
      if (bytes.length === 0) {
        if (live.layers) throw new BitstreamError("a packet of a stream with layers was not sent");
        frames.push({ packet: undefined, descriptor: false, level });
        context = this.packets.initial();
        continue;
      }
      const read = this.packets.readLive(bytes, context, live.layers, level);
      frames.push(read.frame);
      [context, level] = [read.context, read.frame.level];
    }
    return { header, frames, levelBefore: 0, skip: live.preSkip, length, complete };
  }
}

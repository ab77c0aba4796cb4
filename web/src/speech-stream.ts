import { BitstreamError } from "./errors.js";
import { checkSignal, originalLength, readHeader, type Header, type Signal } from "./header.js";
import { levelOfByte } from "./level.js";
import { RangeDecoder } from "./range-decoder.js";
import { readRecords } from "./records.js";
import { readSegments, type Segment } from "./segments.js";
import type { SpeechContext } from "./speech-context.js";
import { SpeechPacketCoder, type Coded, type SpeechPacket } from "./speech-packet.js";
import { speechTensors } from "./speech-tensors.js";
import type { Weights } from "./weights.js";

/** Samples by which the decoder's output lags its packets, at the coding rate. */
export const DECODER_DELAY = 64;

/** What stands for 20 ms of a stream. */
export interface Frame {
  /** Undefined: the packet was not sent, its frame is comfort noise. */
  readonly packet: SpeechPacket | undefined;
  /** The packet describes the background noise of a pause; its frame is comfort noise, too. */
  readonly descriptor: boolean;
  readonly level: number;
}

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
  readonly coder: SpeechPacketCoder;
  readonly signal: Signal;

  constructor(weights: Weights) {
    const { sample_rate_hz: codingRateHz, hop } = weights.config.spec;
    this.coder = new SpeechPacketCoder(speechTensors(weights));
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
    let [context, at] = [this.coder.initial(), 0];
    for (let i = 0; i < packets; i++) {
      const read = this.readPacket(payload, at, context, layers);
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
    let [context, level] = [this.coder.initial(), 0];
    for (const bytes of packets) {
      if (bytes.length === 0) {
        if (live.layers) throw new BitstreamError("a packet of a stream with layers was not sent");
        frames.push({ packet: undefined, descriptor: false, level });
        context = this.coder.initial();
        continue;
      }
      const read = this.readLivePacket(bytes, context, live.layers, level);
      frames.push(read.frame);
      [context, level] = [read.context, read.frame.level];
    }
    return { header, frames, levelBefore: 0, skip: live.preSkip, length, complete };
  }

  /** Read a live packet with its level; a copy of an earlier packet behind it is checked and ignored. */
  readLivePacket(
    bytes: Uint8Array,
    before: SpeechContext,
    layers: number,
    levelBefore: number,
  ): { frame: Frame; context: SpeechContext } {
    const { packet, context, at } = this.readPacket(bytes, 0, before, layers);
    const mayHaveMore = layers === 0 && packet.reset;
    const ownLevel = mayHaveMore ? levelOfByte(bytes[at]) : undefined;
    const rest = bytes.subarray(at + (ownLevel === undefined ? 0 : 1));
    const padding = rest.every((byte) => byte === 0);
    if (!padding && !(layers === 0 && this.coder.codeReset(new RangeDecoder(rest, 0, rest.length)))) {
      throw new BitstreamError("the bytes behind a packet are neither its level, nor zero, nor a copy");
    }
    const silent = packet.latents.every((latent) => latent === 0);
    return {
      frame: {
        packet,
        descriptor: mayHaveMore && silent && padding && rest.length === 1,
        level: packet.reset ? (ownLevel ?? 0) : levelBefore,
      },
      context,
    };
  }

  /** Read a packet with its enhancement layer, if any. */
  private readPacket(data: Uint8Array, start: number, before: SpeechContext, layers: number): Coded & { at: number } {
    const decoder = new RangeDecoder(data, start, data.length);
    const coarse = this.coder.code(decoder, before);
    const at = decoder.finish();
    if (layers === 0) return { ...coarse, at };
    const layerDecoder = new RangeDecoder(data, at, data.length);
    const fine = this.coder.codeLayer(layerDecoder, before, coarse);
    return { ...fine, at: layerDecoder.finish() };
  }
}

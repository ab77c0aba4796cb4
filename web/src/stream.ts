import { BitstreamError } from "./errors.js";
import { CODEC_SPEECH, checkSignal, originalLength, readHeader, type Header, type Signal } from "./header.js";
import { readRecords } from "./records.js";
import { readSegments, type Segment } from "./segments.js";

/** What stands for one packet of a stream. */
export interface Frame<P> {
  /** Undefined: the packet was not sent, its frame is comfort noise. */
  readonly packet: P | undefined;
  /** The packet describes the background noise of a pause; its frame is comfort noise, too. */
  readonly descriptor: boolean;
  readonly level: number;
}

/** A live packet, the context after it, and the bytes behind its level. */
export interface LivePacket<C, P> {
  readonly frame: Frame<P> & { readonly packet: P };
  readonly context: C;
  readonly rest: Uint8Array;
}

/** Reads packets of a codec from bytes; C is what it remembers from packet to packet. */
export interface PacketReader<C, P> {
  /** Return the context in which only packets that reset it can be read. */
  initial(): C;
  /** Read a packet and its enhancement layers; `at` is the position behind it. */
  read(data: Uint8Array, start: number, before: C, layers: number): { packet: P; context: C; at: number };
  /** Read a live packet; `levelBefore` holds for packets that do not reset the context. */
  readLive(bytes: Uint8Array, before: C, layers: number, levelBefore: number): LivePacket<C, P>;
}

/** All integers of a file or of a live stream. */
export interface Stream<P> {
  readonly header: Header;
  readonly frames: readonly Frame<P>[];
  /** Level before the first packet. */
  readonly levelBefore: number;
  /** Samples that are dropped at the beginning of the decoder's output, at the coding rate. */
  readonly skip: number;
  /** Length of the original in samples per channel, at its sample rate; undefined in a stream that is cut off. */
  readonly length: number | undefined;
  /** Whether the end of the stream is there; a live stream may be cut off. */
  readonly complete: boolean;
}

/** Reads streams of one weights file, by a reader of its packets. */
export class StreamReader<C, P> {
  constructor(
    readonly packets: PacketReader<C, P>,
    readonly signal: Signal,
  ) {}

  /** Read a whole stream. @throws {BitstreamError} if it is damaged in any way that can be noticed */
  read(data: Uint8Array): Stream<P> {
    const header = readHeader(data);
    checkSignal(header, this.signal);
    return header.live ? this.readLive(data, header, header.live) : this.readFile(data, header);
  }

  private readFile(data: Uint8Array, header: Header): Stream<P> {
    const length = originalLength(header, this.signal.codingRateHz);
    const segments = readSegments(data, header.size);
    const frames = segments.flatMap((segment) => this.readSegment(segment));
    const needed = header.samples ? Math.ceil((header.samples + this.signal.delay) / this.signal.hop) : 0;
    if (frames.length !== needed) {
      throw new BitstreamError(`${header.samples} samples need ${needed} packets; the file has ${frames.length}`);
    }
    return { header, frames, levelBefore: frames[0]?.level ?? 0, skip: this.signal.delay, length, complete: true };
  }

  private readSegment({ packets, layers, level, constantSize, payload }: Segment): Frame<P>[] {
    if (this.signal.codec !== CODEC_SPEECH && (layers || level)) {
      throw new BitstreamError(`a segment of music has ${layers} enhancement layers and the level ${level}`);
    }
    const size = payload.length / packets;
    const frames: Frame<P>[] = [];
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

  private readLive(data: Uint8Array, header: Header, live: { layers: number; preSkip: number }): Stream<P> {
    const { codingRateHz, hop } = this.signal;
    const packetsOf = (n: number): number =>
      n ? Math.ceil((Math.ceil((n * codingRateHz) / header.sampleRateHz) + live.preSkip) / hop) : 0;
    const { packets, length, complete } = readRecords(data, header.size, packetsOf);
    const frames: Frame<P>[] = [];
    let [context, level] = [this.packets.initial(), 0];
    for (const bytes of packets) {
      if (bytes.length === 0) {
        if (live.layers || this.signal.codec !== CODEC_SPEECH) {
          throw new BitstreamError("a packet was not sent, in a stream without pauses");
        }
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

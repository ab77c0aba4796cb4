import { chooseLevel } from "./choose-level.js";
import type { ReadGraph } from "./graphs.js";
import type { Signal } from "./header.js";
import { meetBudget, usualStep, type Write } from "./rate-control.js";
import { SpeechAnalysis } from "./speech-analysis.js";
import { SpeechPacketWriter } from "./speech-packet-writer.js";
import { DECODER_DELAY, type SpeechStreamReader } from "./speech-stream.js";
import { overheadBytes, SEGMENT_PACKETS, writeFile } from "./write-file.js";

/** An encoded signal. */
export interface Encoded {
  /** The packets, as they would be sent one by one. */
  readonly packets: readonly Uint8Array[];
  /** Level before the first packet, for a live decoder. */
  readonly level: number;
  /** The bytes of a .cq file. */
  readonly file: Uint8Array;
}

/** Encodes speech as a whole, at a mean bitrate. */
export class SpeechEncoder {
  private constructor(
    private readonly analysis: SpeechAnalysis,
    private readonly writer: SpeechPacketWriter,
    private readonly signal: Signal,
    private readonly stepSizes: number,
  ) {}

  /** Load the graphs of the weights of a reader. */
  static async load({ packets, signal }: SpeechStreamReader, read: ReadGraph): Promise<SpeechEncoder> {
    const writer = new SpeechPacketWriter(packets.coder);
    return new SpeechEncoder(await SpeechAnalysis.load(read), writer, signal, packets.coder.tensors.stepSizes);
  }

  /**
   * Encode mono samples in [-1, 1] at the coding rate.
   *
   * @param resetEvery - packets from one context reset to the next, a divisor of 500; small numbers resist losses better
   */
  async encode(samples: Float32Array, bitrateBps: number, resetEvery = SEGMENT_PACKETS): Promise<Encoded> {
    const { hop, codingRateHz } = this.signal;
    const level = chooseLevel(samples, codingRateHz);
    const count = samples.length ? Math.ceil((samples.length + DECODER_DELAY) / hop) : 0;
    const analysed = await this.analysis.analyse(
      samples.map((x) => x / 2 ** level),
      count,
      hop,
    );
    const budget = Math.floor((bitrateBps * samples.length) / codingRateHz / 8) - overheadBytes(count);
    const write: Write = (steps) => this.writer.write(analysed, steps, resetEvery);
    const packets = meetBudget(write, count, budget, this.stepSizes, usualStep(bitrateBps));
    const file = writeFile(packets, { samples: samples.length, bitrateBps, level }, this.signal);
    return { packets: packets.map((packet, t) => (t % resetEvery ? packet : withLevel(packet, level))), level, file };
  }
}

/** Return a packet that resets the context with its level behind it, as live packets have it. */
function withLevel(packet: Uint8Array, level: number): Uint8Array {
  return level ? Uint8Array.from([...packet, level + 8]) : packet;
}

import { codeInteger } from "./integer-coder.js";
import { addProduct } from "./matrix.js";
import { blockOf, energies, exponents, features, logarithm, magnitude } from "./music-features.js";
import type { Spectrum, Surroundings } from "./music-features.js";
import { bandsOfLines } from "./music-layout.js";
import type { MusicTensors } from "./music-tensors.js";
import { activate } from "./notation.js";
import { codeSide, initialSide, type SideContext } from "./side-coder.js";
import type { SymbolCoder } from "./symbol-coder.js";

/** The integers of 1024 samples of music; `latents` are the lines of the mid channel, then those of the side channel. */
export interface MusicPacket {
  readonly reset: boolean;
  readonly step: number;
  readonly side: Int32Array;
  readonly latents: Int32Array;
}

type Channels = readonly [Int32Array, Int32Array];

/** What coder and decoder remember from packet to packet: also the lines of the last packet and of the one before. */
export interface MusicContext extends SideContext {
  readonly lines: readonly [Channels, Channels];
}

/** Codes packets of music with any coder of symbols: a decoder gives the integers, an encoder is given them. */
export class MusicPacketCoder {
  private readonly bandsOfLines;

  constructor(readonly tensors: MusicTensors) {
    this.bandsOfLines = bandsOfLines(tensors.lines);
  }

  initial(): MusicContext {
    const none = new Int32Array(this.tensors.lines);
    const channels: Channels = [none, none];
    return { ...initialSide(this.tensors), lines: [channels, channels] };
  }

  /** Code one packet; encoders give it. */
  code(coder: SymbolCoder, before: MusicContext, given?: MusicPacket): { packet: MusicPacket; context: MusicContext } {
    const { lines: count } = this.tensors;
    const { reset, step, side, context } = codeSide(coder, this.tensors, this.initial(), before, given);
    const [last, beforeLast] = context.lines;
    const latents = new Int32Array(2 * count);
    const channels: Channels = [latents.subarray(0, count), latents.subarray(count)];
    for (const channel of [0, 1] as const) {
      const around: Surroundings = {
        last: this.spectrum(last, context.side[0], channel),
        beforeLast: this.spectrum(beforeLast, context.side[1], channel),
        other: channel === 0 ? this.spectrum(last, context.side[0], 1) : this.spectrum(channels, side, 0),
        exponents: exponents(this.tensors, side, channel),
        energies: energies(side, channel, this.tensors.bands),
        bandOfLine: this.bandsOfLines[blockOf(side)],
        step,
      };
      const source = given?.latents.subarray(channel * count, (channel + 1) * count);
      this.codeLines(coder, around, 2 * blockOf(side) + channel, channels[channel], source);
    }
    return {
      packet: { reset, step, side, latents },
      context: { step, side: [side, context.side[0]], lines: [channels, last], age: context.age + 1 },
    };
  }

  private spectrum(channels: Channels, side: ArrayLike<number>, channel: 0 | 1): Spectrum {
    const ofBand = exponents(this.tensors, side, channel);
    return {
      lines: channels[channel],
      exponents: this.bandsOfLines[blockOf(side)].map((band) => ofBand[band]!),
    };
  }

  /** Code the lines of a channel, in increasing order. */
  private codeLines(
    coder: SymbolCoder,
    around: Surroundings,
    kind: number,
    lines: Int32Array,
    given: Int32Array | undefined,
  ): void {
    const { w1, b1, w2, b2, below, w3, skip, b3, tables } = this.tensors;
    const [width, half] = [b1.shape[1]!, b2.shape[1]!];
    for (let k = 0; k < lines.length; k++) {
      const u = features(around, k).map((F) => 16 * F);
      const hidden = b1.values.slice(kind * width, (kind + 1) * width);
      addProduct(hidden, u, w1);
      const a = b2.values.slice(kind * half, (kind + 1) * half);
      addProduct(a, activate(hidden), w2);
      const z = [1, 2, 8].map((distance) => 16 * logarithm(1 + magnitude(lines, k - distance)));
      addProduct(a, z, below);
      let scale = u[5]! * skip.values[kind]! + b3.values[kind]!;
      activate(a).forEach((value, i) => (scale += value * w3.values[i]!));
      lines[k] = codeInteger(coder, tables, 0, scale, given?.[k]);
    }
  }
}

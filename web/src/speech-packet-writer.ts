import { RangeEncoder } from "./range-encoder.js";
import { quantise } from "./rdoq.js";
import type { Analysed } from "./speech-analysis.js";
import type { SpeechContext } from "./speech-context.js";
import type { SpeechPacketCoder } from "./speech-packet.js";

/** Ratio of neighbouring step sizes. */
const RATIO = 3 ** (1 / 8);

/** Writes packets of speech of one layer. */
export class SpeechPacketWriter {
  constructor(private readonly coder: SpeechPacketCoder) {}

  /** Return the bytes of packets, each with its step index; every `resetEvery`-th packet resets the context. */
  write(analysed: readonly Analysed[], steps: readonly number[], resetEvery: number): Uint8Array[] {
    let context = this.coder.initial();
    return analysed.map((one, t) => {
      const written = this.writeOne(one, steps[t]!, t % resetEvery === 0, context);
      context = written.context;
      return written.bytes;
    });
  }

  private writeOne(
    { side, latents }: Analysed,
    step: number,
    reset: boolean,
    before: SpeechContext,
  ): { bytes: Uint8Array; context: SpeechContext } {
    const { tables, stepSizes } = this.coder.tensors;
    const size = RATIO ** (step - Math.floor(stepSizes / 2));
    const encoder = new RangeEncoder();
    const { context } = this.coder.code(encoder, before, {
      reset,
      step,
      side,
      latent: (at, mean, scale) => quantise(tables, mean, scale, latents[at]! / size),
    });
    return { bytes: encoder.finish(), context };
  }
}

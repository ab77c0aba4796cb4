import { BitstreamError } from "./errors.js";
import { codeInteger, codeTernary, LIMIT } from "./integer-coder.js";
import { initialContext, type LatentHistory, type SpeechContext } from "./speech-context.js";
import { codeSide, type Side } from "./side-coder.js";
import { latentSums, packetSums } from "./speech-sums.js";
import type { SpeechTensors } from "./speech-tensors.js";
import type { SymbolCoder } from "./symbol-coder.js";

/** The integers of 20 ms of speech. With an enhancement layer, `step` and `latents` include it. */
export interface SpeechPacket {
  readonly reset: boolean;
  readonly step: number;
  readonly side: Int32Array;
  readonly latents: Int32Array;
}

/** Stands for a packet before the first one; its values do not matter. */
export const NOTHING: SpeechPacket = {
  reset: true,
  step: 0,
  side: new Int32Array(21),
  latents: new Int32Array(5 * 64),
};

/** What an encoder writes; it chooses a latent when its mean and scale, with 20 fractional bits, are known. */
export interface PacketSource extends Side {
  latent(at: number, mean: number, scale: number): number;
}

/** A coded packet and the context for the next one. */
export interface Coded {
  readonly packet: SpeechPacket;
  readonly context: SpeechContext;
}

/** Step indices by which an enhancement layer refines: a factor of 3. */
export const LAYER_STEPS = 8;

/** Codes packets of speech with any coder of symbols: a decoder gives the integers, an encoder is given them. */
export class SpeechPacketCoder {
  constructor(readonly tensors: SpeechTensors) {}

  initial(): SpeechContext {
    return initialContext(this.tensors);
  }

  /** Code one packet without enhancement layer; encoders give its source. */
  code(coder: SymbolCoder, before: SpeechContext, given?: PacketSource): Coded {
    const { tensors } = this;
    const { reset, step, side, context } = codeSide(coder, tensors, this.initial(), before, given);
    const g = packetSums(tensors, context, context.age, side, step);
    const coded = this.codeLatents(g, context.latents, (mean, scale, at) =>
      codeInteger(coder, tensors.tables, mean, scale, given?.latent(at, mean, scale)),
    );
    return {
      packet: { reset, step, side, latents: coded.latents },
      context: {
        step,
        side: [side, context.side[0]],
        latents: coded.history,
        refined: undefined,
        age: context.age + 1,
      },
    };
  }

  /**
   * Code the enhancement layer of a packet. `before` is the context before the packet, `coarse` the packet and the
   * context after it; encoders also give `latents`, those of the result.
   */
  codeLayer(coder: SymbolCoder, before: SpeechContext, coarse: Coded, latents?: Int32Array): Coded {
    const { packet } = coarse;
    const context = packet.reset ? this.initial() : before;
    if (packet.step < LAYER_STEPS) throw new BitstreamError(`a packet of step index ${packet.step} has no layer`);
    if (!context.refined) throw new BitstreamError("the layer before this one is missing");
    const step = packet.step - LAYER_STEPS;
    const g = packetSums(this.tensors, context, context.age, packet.side, step);
    const coded = this.codeLatents(g, context.refined, (mean, scale, at) => {
      const three = 3 * packet.latents[at]!;
      const e = latents ? latents[at]! - three : 0;
      const fine = three + codeTernary(coder, this.tensors.tables, mean, scale, packet.latents[at]!, e);
      if (Math.abs(fine) > LIMIT) throw new BitstreamError(`the integer ${fine} is beyond ${LIMIT}`);
      return fine;
    });
    return {
      packet: { ...packet, step, latents: coded.latents },
      context: { ...coarse.context, refined: coded.history },
    };
  }

  private codeLatents(
    g: Float64Array,
    before: LatentHistory,
    codeOne: (mean: number, scale: number, at: number) => number,
  ): { latents: Int32Array; history: LatentHistory } {
    const { subframes, latentsPerSubframe } = this.tensors;
    const latents = new Int32Array(subframes * latentsPerSubframe);
    let history = before;
    for (let i = 0; i < subframes; i++) {
      const start = i * latentsPerSubframe;
      const sums = latentSums(this.tensors, g, i, history);
      for (let k = 0; k < latentsPerSubframe; k++) {
        latents[start + k] = codeOne(sums.mean(k), sums.scale(k), start + k);
        sums.add(k, latents[start + k]!);
      }
      history = [history[1], history[2], latents.subarray(start, start + latentsPerSubframe)];
    }
    return { latents, history };
  }
}

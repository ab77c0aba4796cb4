import { float32, Step, type ReadGraph, type State } from "./graphs.js";

/** What the networks make of 20 ms of speech: latents are in units of the middle step size. */
export interface Analysed {
  readonly side: Int32Array;
  readonly latents: Float32Array;
}

/** Samples that the analysis of a packet needs from behind its end. */
const LOOK_AHEAD = 128;

/** Turns speech into side integers and latents, with the networks in WebAssembly. */
export class SpeechAnalysis {
  private constructor(
    private readonly startStep: Step,
    private readonly encoder: Step,
  ) {}

  /** Load the graphs of weights. */
  static async load(read: ReadGraph): Promise<SpeechAnalysis> {
    return new SpeechAnalysis(await Step.load("encoder_start", read), await Step.load("encoder", read));
  }

  /** Analyse `count` packets of `hop` samples of a signal, which is continued with zeros. */
  async analyse(samples: Float32Array, count: number, hop: number): Promise<Analysed[]> {
    const padded = new Float32Array(Math.max(LOOK_AHEAD + count * hop, samples.length));
    padded.set(samples);
    let { state }: { state: State } = await this.startStep.run({}, { ahead: float32(padded.slice(0, LOOK_AHEAD)) });
    const analysed: Analysed[] = [];
    for (let at = LOOK_AHEAD; analysed.length < count; at += hop) {
      const result = await this.encoder.run(state, { samples: float32(padded.slice(at, at + hop)) });
      state = result.state;
      const { side, latents } = result.outputs;
      analysed.push({ side: side!.data as Int32Array, latents: latents!.data as Float32Array });
    }
    return analysed;
  }
}

import { float64, int32, Step, type ReadGraph, type Result, type State } from "./graphs.js";
import type { SpeechPacket } from "./speech-packet.js";

/** Magnitude from which samples are the result of damage. */
const DAMAGED = 1000;

/** Turns the integers of packets into samples, 20 ms by 20 ms, with the networks in WebAssembly. */
export class SpeechSynthesis {
  private constructor(
    private readonly decoder: Step,
    private readonly noise: Step,
    private readonly start: State,
    private state: State,
  ) {}

  /** Load the graphs of weights. */
  static async load(read: ReadGraph): Promise<SpeechSynthesis> {
    const { state } = await (await Step.load("decoder_start", read)).run({}, {});
    const decoder = await Step.load("decoder", read);
    return new SpeechSynthesis(decoder, await Step.load("comfort_noise", read), state, state);
  }

  /** Whether the weights are trained for the concealment of lost packets. */
  get conceals(): boolean {
    return this.decoder.has("lost");
  }

  /** Begin another stream. */
  restart(): void {
    this.state = this.start;
  }

  /** Return the samples of a packet: as many as a packet has, not yet scaled by its level. */
  async packet({ step, side, latents }: SpeechPacket): Promise<Float32Array> {
    return this.step(step, side, latents, 0);
  }

  /** Return the samples that replace a lost packet. */
  async lost({ side, latents, step }: SpeechPacket): Promise<Float32Array> {
    if (!this.conceals) throw new Error("the weights are not trained for the concealment of lost packets");
    return this.step(step, side, latents, 1);
  }

  /** Return comfort noise with the envelope and the gains of side integers. */
  async comfortNoise(side: Int32Array): Promise<Float32Array> {
    return this.take(await this.noise.run(this.state, { side: int32(side) }));
  }

  private async step(step: number, side: Int32Array, latents: Int32Array, lost: number): Promise<Float32Array> {
    const given = {
      step: int32(Int32Array.of(step)),
      side: int32(side),
      latents: int32(latents, [5, latents.length / 5]),
      lost: int32(Int32Array.of(lost)),
      drift: float64(Float64Array.of(0)),
    };
    return this.take(await this.decoder.run(this.state, given));
  }

  private take({ state, outputs }: Result): Float32Array {
    const samples = outputs["samples"]!.data as Float32Array;
    const sound = samples.every((x) => Math.abs(x) < DAMAGED);
    this.state = sound ? state : { ...this.start, "state.position": state["state.position"]! };
    return sound ? samples : new Float32Array(samples.length);
  }
}

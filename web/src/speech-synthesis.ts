import { float32, float64, int32, Step, type ReadGraph, type Result, type State } from "./graphs.js";
import type { SpeechPacket } from "./speech-packet.js";

/** Magnitude from which samples are the result of damage. */
const DAMAGED = 1000;

/** Input `lost` of the decoder's graph. */
const [RECEIVED, LOST] = [0, 1];

/** The filter A(z), pre-emphasis included, and the log gain (natural) of the last subframe of a packet. */
export interface Envelope {
  readonly filter: Float64Array;
  readonly logGain: number;
}

/** Turns the integers of packets into samples, 20 ms by 20 ms, with the networks in WebAssembly. */
export class SpeechSynthesis {
  private constructor(
    private readonly decoder: Step,
    private readonly noise: Step,
    private readonly drift: Step | undefined,
    private readonly start: State,
    private state: State,
  ) {}

  /** Load the graphs of weights. */
  static async load(read: ReadGraph): Promise<SpeechSynthesis> {
    const { state } = await (await Step.load("decoder_start", read)).run({}, {});
    const decoder = await Step.load("decoder", read);
    const noise = await Step.load("comfort_noise", read);
    const drift = decoder.has("drift") ? await Step.load("drift", read) : undefined;
    return new SpeechSynthesis(decoder, noise, drift, state, state);
  }

  /** Whether the weights are trained for the concealment of lost packets. */
  get conceals(): boolean {
    return this.drift !== undefined;
  }

  /** Envelope of the last packet, also of a lost one; not yet scaled by its level. */
  get envelope(): Envelope {
    const [filter, gain] = ["state.a", "state.gain"].map((name) => this.state[name]!.data as Float64Array);
    return { filter: filter!.slice(), logGain: gain!.at(-1)! };
  }

  /** Begin another stream. */
  restart(): void {
    this.state = this.start;
  }

  /** Return the samples of a packet: as many as a packet has, not yet scaled by its level. */
  async packet({ step, side, latents }: SpeechPacket): Promise<Float32Array> {
    return this.step(step, side, latents, RECEIVED);
  }

  /** Return the samples that replace a lost packet. */
  async lost({ side, latents, step }: SpeechPacket): Promise<Float32Array> {
    this.concealing();
    return this.step(step, side, latents, LOST);
  }

  /** Return the samples that replace a lost packet between the last one and one that is `distance` packets later. */
  async lostBefore({ latents, step }: SpeechPacket, next: SpeechPacket, distance: number): Promise<Float32Array> {
    const drift = this.concealing();
    const before = this.state;
    await this.step(step, next.side, latents, LOST, distance);
    const { length } = await this.packet(next);
    const history = this.state["state.concealment.history"]!.data as Float32Array;
    this.state = before;
    const given = { next_excitation: float32(history.slice(-length)), distance: int32(Int32Array.of(distance)) };
    const { outputs } = await drift.run(before, given);
    return this.step(step, next.side, latents, LOST, distance, (outputs["drift"]!.data as Float64Array)[0]);
  }

  /** Return comfort noise with the envelope and the gains of side integers. */
  async comfortNoise(side: Int32Array): Promise<Float32Array> {
    return this.take(await this.noise.run(this.state, { side: int32(side) }));
  }

  private concealing(): Step {
    if (!this.drift) throw new Error("the weights are not trained for the concealment of lost packets");
    return this.drift;
  }

  private async step(
    step: number,
    side: Int32Array,
    latents: Int32Array,
    lost: number,
    distance = 0,
    drift = 0,
  ): Promise<Float32Array> {
    const given = {
      step: int32(Int32Array.of(step)),
      side: int32(side),
      latents: int32(latents, [5, latents.length / 5]),
      lost: int32(Int32Array.of(lost)),
      distance: int32(Int32Array.of(distance)),
      drift: float64(Float64Array.of(drift)),
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

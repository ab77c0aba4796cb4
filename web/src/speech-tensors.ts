import { WeightsError } from "./errors.js";
import { rows, type Tensor } from "./matrix.js";
import type { Weights } from "./weights.js";

/** The tensors of the side integers for one place after a context reset. */
export interface SideTensors {
  readonly w1: Tensor;
  readonly b1: Tensor;
  readonly w2: Tensor;
  readonly b2: Tensor;
  readonly skip: Tensor;
  readonly triMean: Tensor;
  readonly triScale: Tensor;
  readonly within: Tensor;
}

/** The tensors of the latents that depend on whether the packet resets the context. */
export interface ContextTensors {
  readonly ws: Tensor;
  readonly bs: Tensor;
  readonly bp: Tensor;
}

/** The entropy model of speech, in one form for weights with and without training for context resets. */
export interface SpeechTensors {
  readonly latentsPerSubframe: number; // D
  readonly subframes: number; // S
  readonly sideIntegers: number; // K
  readonly stepSizes: number; // Q
  readonly tables: Tensor;
  readonly flag: Float64Array;
  /** Cumulative frequencies of the step index in packets that reset the context; undefined: the table of all others. */
  readonly resetSteps: Float64Array | undefined;
  /** By packets since the context reset: 0, 1, and 2 or more. */
  readonly side: readonly [SideTensors, SideTensors, SideTensors];
  readonly context: { readonly reset: ContextTensors; readonly usual: ContextTensors };
  readonly wp: Tensor;
  readonly wy: Tensor;
  readonly w2: Tensor;
  readonly b2: Tensor;
  readonly w3: Tensor;
  readonly b3: Tensor;
  readonly triMean: Tensor;
  readonly triScale: Tensor;
}

/** Collect the tensors of weights. @throws {WeightsError} if one is missing */
export function speechTensors({ config, tensors }: Weights): SpeechTensors {
  const subframes = config.spec.hop / config.spec.subframe;
  const sideIntegers = config.order + subframes;
  const get = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new WeightsError(`the weights have no tensor integer/${name}`);
    return tensor;
  };
  const trained = tensors.has("flag");
  const hidden = get("side_b1").values.length;
  // Without training for context resets, nothing depends on the integers of the same packet,
  const none: Tensor = { shape: [sideIntegers, hidden], values: new Float64Array(sideIntegers * hidden) };
  const side = (prefix: string): SideTensors => ({
    w1: get(`${prefix}w1`),
    b1: get(`${prefix}b1`),
    w2: get(`${prefix}w2`),
    b2: get(`${prefix}b2`),
    skip: get(`${prefix}skip`),
    triMean: get(`${prefix}tri_mean`),
    triScale: get(`${prefix}tri_scale`),
    within: trained ? get(`${prefix}within`) : none,
  });
  const usual = { ws: get("latent_ws"), bs: get("latent_bs"), bp: get("latent_bp") };
  return {
    latentsPerSubframe: config.fine,
    subframes,
    sideIntegers,
    stepSizes: config.n_steps,
    tables: get("tables"),
    flag: trained ? get("flag").values : Float64Array.of(0, 64512, 65536),
    resetSteps: trained ? get("reset_steps").values : undefined,
    side: trained
      ? [side("side_reset_"), side("side_second_"), side("side_")]
      : [side("side_"), side("side_"), side("side_")],
    context: {
      // and the packet before a reset counts as zeros, so that the first half of the matrix remains.
      reset: trained
        ? { ws: get("latent_reset_ws"), bs: get("latent_reset_bs"), bp: get("latent_reset_bp") }
        : { ...usual, ws: rows(usual.ws, 0, sideIntegers) },
      usual,
    },
    wp: get("latent_wp"),
    wy: get("latent_wy"),
    w2: get("latent_w2"),
    b2: get("latent_b2"),
    w3: get("latent_w3"),
    b3: get("latent_b3"),
    triMean: get("latent_tri_mean"),
    triScale: get("latent_tri_scale"),
  };
}

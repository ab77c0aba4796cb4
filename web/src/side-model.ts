import type { Tensor } from "./matrix.js";
import { tensorOf, type Weights } from "./weights.js";

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

/** The part of the entropy model that both codecs have: context reset flag, step index, side integers. */
export interface SideModel {
  readonly sideIntegers: number; // K
  readonly stepSizes: number; // Q
  readonly tables: Tensor;
  readonly flag: Float64Array;
  /** Cumulative frequencies of the step index in packets that reset the context; undefined: the table of all others. */
  readonly resetSteps: Float64Array | undefined;
  /** By packets since the context reset: 0, 1, and 2 or more. */
  readonly side: readonly [SideTensors, SideTensors, SideTensors];
}

/** Collect the tensors, in one form for weights with and without training for context resets. */
export function sideModel(weights: Weights, sideIntegers: number): SideModel {
  const get = (name: string): Tensor => tensorOf(weights, name);
  const trained = weights.tensors.has("flag");
  const hidden = get("side_b1").values.length;
  // Without training for context resets, nothing depends on the integers of the same packet.
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
  const usual = side("side_");
  return {
    sideIntegers,
    stepSizes: weights.config.n_steps,
    tables: get("tables"),
    flag: trained ? get("flag").values : Float64Array.of(0, 64512, 65536),
    resetSteps: trained ? get("reset_steps").values : undefined,
    side: trained ? [side("side_reset_"), side("side_second_"), usual] : [usual, usual, usual],
  };
}

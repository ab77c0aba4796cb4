import { WeightsError } from "./errors.js";
import type { Tensor } from "./matrix.js";
import { sideModel, type SideModel } from "./side-model.js";
import { tensorOf, type Weights } from "./weights.js";

/** The entropy model of music. */
export interface MusicTensors extends SideModel {
  readonly bands: number; // b
  readonly lines: number; // D
  readonly stepsW: Tensor;
  readonly stepsBs: Tensor;
  readonly w1: Tensor;
  readonly b1: Tensor;
  readonly w2: Tensor;
  readonly b2: Tensor;
  readonly below: Tensor;
  readonly w3: Tensor;
  readonly skip: Tensor;
  readonly b3: Tensor;
}

/** Collect the tensors of weights for music. @throws {WeightsError} if one is missing, or the weights are for speech */
export function musicTensors(weights: Weights): MusicTensors {
  const { bands, n_latents: lines } = weights.config;
  if (bands === undefined || lines === undefined) throw new WeightsError("the weights are not of the codec for music");
  return {
    ...sideModel(weights, 1 + 3 * bands),
    bands,
    lines,
    stepsW: tensorOf(weights, "steps_w"),
    stepsBs: tensorOf(weights, "steps_bs"),
    w1: tensorOf(weights, "line_w1"),
    b1: tensorOf(weights, "line_1_bs"),
    w2: tensorOf(weights, "line_w2"),
    b2: tensorOf(weights, "line_2_bs"),
    below: tensorOf(weights, "line_below"),
    w3: tensorOf(weights, "line_w3"),
    skip: tensorOf(weights, "line_skip"),
    b3: tensorOf(weights, "line_b3"),
  };
}

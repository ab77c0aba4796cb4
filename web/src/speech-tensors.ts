import { WeightsError } from "./errors.js";
import { rows, type Tensor } from "./matrix.js";
import { sideModel, type SideModel } from "./side-model.js";
import { tensorOf, type Weights } from "./weights.js";

/** The tensors of the latents that depend on whether the packet resets the context. */
export interface ContextTensors {
  readonly ws: Tensor;
  readonly bs: Tensor;
  readonly bp: Tensor;
}

/** The entropy model of speech, in one form for weights with and without training for context resets. */
export interface SpeechTensors extends SideModel {
  readonly latentsPerSubframe: number; // D
  readonly subframes: number; // S
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

/** Collect the tensors of weights for speech. @throws {WeightsError} if one is missing, or the weights are for music */
export function speechTensors(weights: Weights): SpeechTensors {
  const { config } = weights;
  if (config.bands !== undefined) throw new WeightsError("the weights are of the codec for music, not for speech");
  const get = (name: string): Tensor => tensorOf(weights, name);
  const subframes = config.spec.hop / config.spec.subframe;
  const side = sideModel(weights, config.order + subframes);
  const usual = { ws: get("latent_ws"), bs: get("latent_bs"), bp: get("latent_bp") };
  return {
    ...side,
    latentsPerSubframe: config.fine,
    subframes,
    context: {
      // Without training for context resets, the packet before a reset counts as zeros: half of the matrix remains.
      reset: side.resetSteps
        ? { ws: get("latent_reset_ws"), bs: get("latent_reset_bs"), bp: get("latent_reset_bp") }
        : { ...usual, ws: rows(usual.ws, 0, side.sideIntegers) },
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

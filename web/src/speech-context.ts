import { initialSide, type SideContext } from "./side-coder.js";
import type { SpeechTensors } from "./speech-tensors.js";

/**
 * What coder and decoder remember from packet to packet. It changes as a whole after a packet is coded, so that a
 * packet can be coded on trial, and a damaged one leaves no traces.
 */
export interface SpeechContext extends SideContext {
  /** Latents of the last three subframes, the oldest first. */
  readonly latents: LatentHistory;
  /** The same with the enhancement layer; undefined after a packet without it, until the next context reset. */
  readonly refined: LatentHistory | undefined;
}

export type LatentHistory = readonly [Int32Array, Int32Array, Int32Array];

/** Return the context after a context reset. */
export function initialContext(tensors: SpeechTensors): SpeechContext {
  const latents = new Int32Array(tensors.latentsPerSubframe);
  const history = [latents, latents, latents] as const;
  return { ...initialSide(tensors), latents: history, refined: history };
}

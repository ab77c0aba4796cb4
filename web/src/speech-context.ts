/**
 * What coder and decoder remember from packet to packet. It changes as a whole after a packet is coded, so that a
 * packet can be coded on trial, and a damaged one leaves no traces.
 */
export interface SpeechContext {
  /** Step index of the last packet, q'. */
  readonly step: number;
  /** Side integers of the last packet, v', and of the one before it, v''. */
  readonly side: readonly [ArrayLike<number>, ArrayLike<number>];
  /** Latents of the last three subframes, the oldest first. */
  readonly latents: LatentHistory;
  /** The same with the enhancement layer; undefined after a packet without it, until the next context reset. */
  readonly refined: LatentHistory | undefined;
  /** Packets since the last context reset, the last packet included: 1 after the packet that resets. */
  readonly age: number;
}

export type LatentHistory = readonly [Int32Array, Int32Array, Int32Array];

/** Return the context after a context reset. */
export function initialContext(stepSizes: number, sideIntegers: number, latentsPerSubframe: number): SpeechContext {
  const latents = new Int32Array(latentsPerSubframe);
  const side = new Int32Array(sideIntegers);
  return {
    step: Math.floor(stepSizes / 2),
    side: [side, side],
    latents: [latents, latents, latents],
    refined: [latents, latents, latents],
    age: 0,
  };
}

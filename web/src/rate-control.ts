import { clamp } from "./notation.js";

/** Returns the bytes of all packets, by their step indices. */
export type Write = (steps: readonly number[]) => readonly Uint8Array[];

/** Natural logarithm of the ratio of bitrates of neighbouring step indices, for speech. */
const LOG_RATIO = 0.125;

/** Speech at step index 0 needs about this bitrate. */
const FINEST_BPS = 30000;

/** Return the step index with which speech has about the given bitrate. */
export function usualStep(bitrateBps: number): number {
  return Math.round(Math.log(FINEST_BPS / bitrateBps) / LOG_RATIO);
}

/**
 * Choose step indices for packets, so that they meet a budget at constant quality: a fine index up to some packet, the
 * next coarser one from there on. The coarsest index is used where even it exceeds the budget.
 *
 * @param budget - bytes of all packets together
 * @param stepSizes - number of step indices
 * @param guess - step index where the search begins
 */
export function meetBudget(
  write: Write,
  count: number,
  budget: number,
  stepSizes: number,
  guess: number,
): readonly Uint8Array[] {
  const tried = new Map<number, readonly Uint8Array[]>();
  const uniform = (step: number): readonly Uint8Array[] => {
    const packets = tried.get(step) ?? write(Array<number>(count).fill(step));
    tried.set(step, packets);
    return packets;
  };
  const last = stepSizes - 1;
  let step = clamp(guess, 0, last);
  const distance = Math.round(Math.log(Math.max(total(uniform(step)), 1) / Math.max(budget, 1)) / LOG_RATIO);
  step = clamp(step + distance, 0, last);
  while (step > 0 && total(uniform(step)) <= budget) step--;
  while (step < last && total(uniform(step)) > budget) step++;
  const coarse = uniform(step);
  return step === 0 || total(coarse) > budget ? coarse : refine(write, coarse, uniform(step - 1), step, budget);
}

/** Write as many packets with the finer step index `step` - 1 as the budget allows. */
function refine(
  write: Write,
  coarse: readonly Uint8Array[],
  fine: readonly Uint8Array[],
  step: number,
  budget: number,
): readonly Uint8Array[] {
  const more = (total(fine) - total(coarse)) / coarse.length; // bytes of a fine packet beyond those of a coarse one
  let [spare, change] = [budget - total(coarse), 0];
  while (change < coarse.length && spare >= fine[change]!.length - coarse[change]!.length) {
    spare -= fine[change]!.length - coarse[change]!.length;
    change++;
  }
  // Packets behind the change have another context than in the trials, so that the sum may exceed the budget.
  while (change > 0) {
    const packets = write(coarse.map((_, t) => (t < change ? step - 1 : step)));
    const excess = total(packets) - budget;
    if (excess <= 0) return packets;
    change = Math.max(change - Math.ceil(excess / Math.max(more, 0.1)), 0);
  }
  return coarse;
}

function total(packets: readonly Uint8Array[]): number {
  return packets.reduce((sum, packet) => sum + packet.length, 0);
}

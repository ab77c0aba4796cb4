import { clip } from "./notation.js";
import { integerBits, LIMIT } from "./integer-coder.js";
import type { Tensor } from "./matrix.js";

/** Lagrange multiplier, squared steps per bit. */
const MULTIPLIER = 0.1;

/**
 * Rate-distortion optimised quantisation: round z, a latent in units of the step size, to the nearest integer or to its
 * neighbour towards the mean, whichever has the smaller (z - n)^2 + multiplier * bits.
 */
export function quantise(tables: Tensor, mean: number, scale: number, z: number): number {
  const limited = clip(z, LIMIT);
  const near = Math.round(limited);
  const expected = mean / 2 ** 20;
  if (Math.abs(near - expected) < 0.5) return near;
  const towards = near - Math.sign(near - expected);
  const cost = (n: number): number => (limited - n) ** 2 + MULTIPLIER * integerBits(tables, mean, scale, n);
  return cost(towards) < cost(near) ? towards : near;
}

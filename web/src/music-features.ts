import { addProduct, rows } from "./matrix.js";
import { clamp, clip, shift } from "./notation.js";
import type { MusicTensors } from "./music-tensors.js";
import { SIDE_LIMIT } from "./side-coder.js";

/** Lines beyond this magnitude count as this magnitude. */
const LINE_LIMIT = 255;

/** 8 log2 of the quotient of a step size and the middle one, rounded, by step index. */
const STEP_EXPONENTS = [
  -19, -17, -16, -14, -13, -11, -10, -8, -6, -5, -3, -2, 0, 2, 3, 5, 6, 8, 10, 11, 13, 14, 16, 17, 19,
];

const LOGARITHMS = Array.from({ length: 9 * LINE_LIMIT + 1 }, (_, j) => (j ? Math.round(8 * Math.log2(j)) : -12));

/** Return 8 log2 j, rounded; -12 for 0. */
export function logarithm(j: number): number {
  return LOGARITHMS[j]!;
}

/** Return the limited magnitude of line k; 0 outside. */
export function magnitude(lines: Int32Array, k: number): number {
  return Math.min(Math.abs(lines[k] ?? 0), LINE_LIMIT);
}

/** Return whether side integers have short blocks: 0 or 1. */
export function blockOf(side: ArrayLike<number>): 0 | 1 {
  return side[0]! >= 1 ? 1 : 0;
}

/** Return the limited energies of a channel, 0 mid or 1 side. */
export function energies(side: ArrayLike<number>, channel: number, bands: number): number[] {
  const first = 1 + 2 * bands * channel;
  return Array.from({ length: bands }, (_, j) => clip(side[first + j]!, SIDE_LIMIT));
}

/** Return the exponents of the step sizes of a channel's bands, without the step index. */
export function exponents(tensors: MusicTensors, side: ArrayLike<number>, channel: number): Float64Array {
  const { bands: b, stepsW, stepsBs } = tensors;
  const kind = 2 * blockOf(side) + channel;
  const both = [...energies(side, channel, b), ...energies(side, 1 - channel, b)].map((E) => 256 * E);
  const sums = stepsBs.values.slice(kind * b, (kind + 1) * b);
  addProduct(sums, both, rows(stepsW, 2 * b * kind, 2 * b * (kind + 1)));
  return sums.map((sum) => clamp(shift(sum, 20), -110, 70));
}

/** A spectrum that is already decoded: its lines and the exponent of each. */
export interface Spectrum {
  readonly lines: Int32Array;
  readonly exponents: ArrayLike<number>;
}

/** What the features of a channel's lines depend on. */
export interface Surroundings {
  readonly last: Spectrum;
  readonly beforeLast: Spectrum;
  readonly other: Spectrum;
  /** Exponents of the bands of this channel. */
  readonly exponents: ArrayLike<number>;
  readonly energies: readonly number[];
  readonly bandOfLine: readonly number[];
  readonly step: number;
}

/** Return the ten features of line k. */
export function features(around: Surroundings, k: number): number[] {
  const band = around.bandOfLine[k]!;
  const s = around.exponents[band]!;
  const x = s + STEP_EXPONENTS[around.step]!;
  const energy = (j: number): number => 4 * (around.energies[clamp(j, 0, around.energies.length - 1)]! - 16) - x;
  const near = ({ lines, exponents: of }: Spectrum): number =>
    logarithm(magnitude(lines, k - 1) + 2 * magnitude(lines, k) + magnitude(lines, k + 1)) - 16 + of[k]! - s;
  const wide = ({ lines, exponents: of }: Spectrum): number => {
    let sum = 0;
    for (let j = k - 4; j <= k + 4; j++) sum += magnitude(lines, j);
    return logarithm(sum) - 25 + of[k]! - s;
  };
  const { last, beforeLast, other } = around;
  const raw = [near(last), wide(last), near(beforeLast), near(other), wide(other)];
  raw.push(energy(band), energy(band - 1), energy(band + 1), 3 * band - 32, Math.floor(x / 2));
  return raw.map((F) => clamp(F, -32, 63) + 32);
}

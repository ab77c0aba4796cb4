/**
 * The notation of docs/bitstream.md. All values are integers in doubles: exact, because every intermediate result stays
 * below 2^53. Bitwise operators would cut to 32 bits; this file and its users divide and round down instead.
 */

/** Limit x to [low, high]. */
export function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

/** Limit x to [-c, c]. */
export function clip(x: number, c: number): number {
  return clamp(x, -c, c);
}

/** Return x modulo y in [0, y), also for negative x. */
export function mod(x: number, y: number): number {
  return x - y * Math.floor(x / y);
}

/** Divide by 2^n, rounded to nearest, halves upwards. */
export function shift(x: number, n: number): number {
  return Math.floor((x + 2 ** (n - 1)) / 2 ** n);
}

/** Apply the activation function of the entropy model, in place. */
export function activate(x: Float64Array): Float64Array {
  for (let i = 0; i < x.length; i++) x[i] = clamp(shift(x[i]!, 12), 0, 2048);
  return x;
}

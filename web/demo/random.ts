/** Random choices that follow from a seed, the same ones in every browser. */

/** Name of the generator, for results. */
export const GENERATOR = "mulberry32";

/** Return a generator of numbers in [0, 1): mulberry32 by T. Ettinger. @param seed - 0 to 2^32 - 1 */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Return the numbers 0 to n - 1 in random order: Fisher and Yates. */
export function permutation(n: number, random: () => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Intervals of listening tests: binomial for right answers, Student's t for ratings. */

export const CONFIDENCE = 0.95;
const STEPS = 60; // bisections: the error is below 1e-15

export type Interval = readonly [number, number];

/** Return the probability of at least `right` of `count` right answers by guessing. */
export function guessingProbability(right: number, count: number): number {
  return right === 0 ? 1 : incompleteBeta(0.5, right, count - right + 1);
}

/** Return the interval of the share of right answers: Clopper and Pearson, 95 %. */
export function shareInterval(right: number, count: number): Interval {
  const tail = (1 - CONFIDENCE) / 2;
  const low = right === 0 ? 0 : root((p) => incompleteBeta(p, right, count - right + 1) - tail, 0, 1);
  const high = right === count ? 1 : root((p) => incompleteBeta(p, right + 1, count - right) - (1 - tail), 0, 1);
  return [low, high];
}

export interface Mean {
  readonly n: number;
  readonly mean: number;
  /** 95 %, by Student's t; undefined for a single value. */
  readonly interval: Interval | undefined;
}

/** Return the mean of values, at least one, and its interval. */
export function meanOf(values: readonly number[]): Mean {
  const n = values.length;
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  if (n === 1) return { n, mean, interval: undefined };
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1);
  const half = studentQuantile(1 - (1 - CONFIDENCE) / 2, n - 1) * Math.sqrt(variance / n);
  return { n, mean, interval: [mean - half, mean + half] };
}

/** Return the quantile, at least 0.5, of Student's t distribution. */
export function studentQuantile(probability: number, degrees: number): number {
  const tail = (t: number): number => 0.5 * incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
  return root((t) => 1 - tail(t) - probability, 0, 1000);
}

/** Return the root of an increasing function. */
function root(f: (x: number) => number, low: number, high: number): number {
  for (let i = 0; i < STEPS; i++) {
    const middle = (low + high) / 2;
    if (f(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Return the regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  let fraction = 1;
  for (let m = 200; m > 0; m--) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m - 1) * (a + b + m - 1) * x) / ((a + 2 * m - 2) * (a + 2 * m - 1));
    fraction = 1 + odd / (1 + even / fraction);
  }
  return front / fraction;
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Return the logarithm of the gamma function for x > 0: Lanczos, g = 7. */
function logGamma(x: number): number {
  const z = x - 1;
  const sum = LANCZOS.reduce((total, c, k) => total + (k === 0 ? c : c / (z + k)), 0);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

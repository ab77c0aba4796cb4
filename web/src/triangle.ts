import type { Tensor } from "./matrix.js";
import { clip } from "./notation.js";

/** Means and scales of integers that are coded one after the other, each of which changes those of the ones after it. */
export interface Sums {
  mean(k: number): number;
  scale(k: number): number;
  /** Take note of integer k. */
  add(k: number, value: number): void;
}

/** Running sums over the integers coded so far. */
export class Triangle {
  readonly means: Float64Array;
  readonly scales: Float64Array;

  constructor(
    n: number,
    private readonly triMean: Tensor,
    private readonly triScale: Tensor,
    private readonly limit: number,
  ) {
    this.means = new Float64Array(n);
    this.scales = new Float64Array(n);
  }

  add(k: number, value: number): void {
    const limited = clip(value, this.limit);
    if (limited === 0) return;
    const n = this.means.length;
    for (let j = k + 1; j < n; j++) {
      this.means[j]! += limited * this.triMean.values[k * n + j]!;
      this.scales[j]! += Math.abs(limited) * this.triScale.values[k * n + j]!;
    }
  }
}

import { addProduct, addRow, type Tensor } from "./matrix.js";
import { activate, clip } from "./notation.js";
import type { SpeechContext, LatentHistory } from "./speech-context.js";
import type { SideTensors, SpeechTensors } from "./speech-tensors.js";

const SIDE_LIMIT = 31;
const LATENT_LIMIT = 7;

/** Means and scales of integers that are coded one after the other, each of which changes those of the ones after it. */
export interface Sums {
  mean(k: number): number;
  scale(k: number): number;
  /** Take note of integer k. */
  add(k: number, value: number): void;
}

/** Return the sums of the side integers of a packet that is `age` packets after the last context reset. */
export function sideSums(tensors: SpeechTensors, context: SpeechContext, age: number): Sums {
  const side = tensors.side[Math.min(age, 2) as 0 | 1 | 2];
  const n = tensors.sideIntegers;
  const u = [...Array.from(context.side[0]), ...Array.from(context.side[1])].map((v) => 256 * clip(v, SIDE_LIMIT));
  const hidden = side.b1.values.slice();
  addProduct(hidden, u, side.w1);
  const triangle = new Triangle(n, side.triMean, side.triScale, SIDE_LIMIT);
  addProduct(triangle.means, u, side.skip);
  let active = activate(hidden.slice());
  return {
    mean: (k) => triangle.means[k]! + column(side, active, k),
    scale: (k) => triangle.scales[k]! + column(side, active, n + k),
    add(k, value) {
      triangle.add(k, value);
      addRow(hidden, 256 * clip(value, SIDE_LIMIT), side.within.values, k * hidden.length);
      active = activate(hidden.slice());
    },
  };
}

function column({ w2, b2 }: SideTensors, active: Float64Array, j: number): number {
  let sum = b2.values[j]!;
  for (let i = 0; i < active.length; i++) sum += active[i]! * w2.values[i * b2.values.length + j]!;
  return sum;
}

/** Return what the latents of all subframes depend on: side integers, step index, context reset. (S W values) */
export function packetSums(
  tensors: SpeechTensors,
  context: SpeechContext,
  age: number,
  side: ArrayLike<number>,
  step: number,
): Float64Array {
  const { ws, bs, bp } = age === 0 ? tensors.context.reset : tensors.context.usual;
  const known = age === 0 ? Array.from(side) : [...Array.from(side), ...Array.from(context.side[0])];
  const width = bs.shape[1]!;
  const hidden = bs.values.slice(step * width, (step + 1) * width);
  addProduct(
    hidden,
    known.map((v) => 256 * clip(v, SIDE_LIMIT)),
    ws,
  );
  const sums = bp.values.slice();
  addProduct(sums, activate(hidden), tensors.wp);
  return sums;
}

/** Return the sums of the latents of subframe i. `g` is the result of `packetSums`. */
export function latentSums(tensors: SpeechTensors, g: Float64Array, i: number, history: LatentHistory): Sums {
  const width = tensors.b2.values.length;
  const h = g.slice(i * width, (i + 1) * width);
  const u = history.flatMap((y) => Array.from(y, (v) => 256 * clip(v, LATENT_LIMIT)));
  addProduct(h, u, tensors.wy);
  const middle = tensors.b2.values.slice();
  addProduct(middle, activate(h), tensors.w2);
  const both = tensors.b3.values.slice();
  addProduct(both, activate(middle), tensors.w3);
  const n = tensors.latentsPerSubframe;
  const triangle = new Triangle(n, tensors.triMean, tensors.triScale, LATENT_LIMIT);
  return {
    mean: (k) => both[k]! + triangle.means[k]!,
    scale: (k) => both[n + k]! + triangle.scales[k]!,
    add: (k, value) => triangle.add(k, value),
  };
}

/** Running sums over the integers coded so far. */
class Triangle {
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

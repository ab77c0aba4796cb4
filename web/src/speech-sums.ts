import { addProduct } from "./matrix.js";
import { activate, clip } from "./notation.js";
import type { SpeechContext, LatentHistory } from "./speech-context.js";
import { SIDE_LIMIT } from "./side-coder.js";
import type { SpeechTensors } from "./speech-tensors.js";
import { Triangle, type Sums } from "./triangle.js";

const LATENT_LIMIT = 7;

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

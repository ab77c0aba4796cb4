import { WeightsError } from "./errors.js";
import type { Tensor } from "./matrix.js";
import { readTensors } from "./safetensors.js";

/** What a decoder needs of a weights file: the integers of the entropy model, dimensions, and the hash in headers. */
export interface Weights {
  /** First 8 bytes of the SHA-256 of the file, in hexadecimal. */
  readonly model: string;
  readonly config: Config;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Dimensions, in the names of the file: of speech (`order`, `fine`), or of music (`bands`, `n_latents`). */
export interface Config {
  readonly spec: { readonly sample_rate_hz: number; readonly hop: number; readonly subframe: number };
  readonly n_steps: number;
  readonly order: number;
  readonly fine: number;
  readonly bands?: number;
  readonly n_latents?: number;
}

/** Return an integer tensor. @throws {WeightsError} if the weights do not have it */
export function tensorOf({ tensors }: Weights, name: string): Tensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new WeightsError(`the weights have no tensor integer/${name}`);
  return tensor;
}

/**
 * Read a weights file.
 *
 * @throws {WeightsError} if it is none
 */
export async function readWeights(data: Uint8Array): Promise<Weights> {
  const { metadata, tensors } = readTensors(data, "integer/");
  if (metadata["config"] === undefined) throw new WeightsError("the weights file has no configuration");
  const config = JSON.parse(metadata["config"]) as Config;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(data)));
  const model = Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { model, config, tensors: accumulate(unpack(tensors)) };
}

/** Return the tensors with those that are stored as `NAME/layout`, `NAME/mask`, `NAME/values` restored. */
export function unpack(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const [path, tensor] of tensors) {
    const [name, part] = path.split("/") as [string, string?];
    if (part === undefined) found.set(name, tensor);
    if (part === "layout") {
      const [mask, values] = [tensors.get(`${name}/mask`), tensors.get(`${name}/values`)];
      if (!mask || !values) throw new WeightsError(`tensor ${name} has no mask or no values`);
      found.set(name, unpackOne(tensor.values, mask.values, values.values));
    }
  }
  return found;
}

function unpackOne(layout: Float64Array, mask: Float64Array, values: Float64Array): Tensor {
  const [height, width, ...shape] = layout as unknown as Iterable<number> as [number, number, ...number[]];
  const columns = shape.at(-1)!;
  const count = shape.reduce((product, n) => product * n, 1);
  const across = columns / width;
  const dense = new Float64Array(count);
  let next = 0;
  for (let group = 0; group < count / (height * width); group++) {
    if (!((mask[group >> 3]! >> (7 - (group & 7))) & 1)) continue;
    const [top, left] = [Math.floor(group / across) * height, (group % across) * width];
    for (let row = top; row < top + height; row++) {
      for (let column = left; column < left + width; column++) dense[row * columns + column] = values[next++]!;
    }
  }
  return { shape, values: dense };
}

/** Replace `frequencies`, if present, by `tables`: cumulative frequencies. */
function accumulate(tensors: Map<string, Tensor>): Map<string, Tensor> {
  const frequencies = tensors.get("frequencies");
  if (!frequencies) return tensors;
  const n = frequencies.shape.at(-1)!;
  const count = frequencies.values.length / n;
  const values = new Float64Array(count * (n + 1));
  for (let row = 0; row < count; row++) {
    for (let k = 0; k < n; k++) {
      values[row * (n + 1) + k + 1] = values[row * (n + 1) + k]! + frequencies.values[row * n + k]! + 1;
    }
  }
  tensors.set("tables", { shape: [...frequencies.shape.slice(0, -1), n + 1], values });
  return tensors;
}

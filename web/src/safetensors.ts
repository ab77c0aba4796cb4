import { WeightsError } from "./errors.js";
import type { Tensor } from "./matrix.js";

/** A safetensors file: its metadata, and its tensors by name. */
export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Bytes per value, and how a value is read. Half precision is not among them: the entropy model has integers only. */
const TYPES: Record<string, [number, (view: DataView, at: number) => number]> = {
  I8: [1, (view, at) => view.getInt8(at)],
  U8: [1, (view, at) => view.getUint8(at)],
  I16: [2, (view, at) => view.getInt16(at, true)],
  U16: [2, (view, at) => view.getUint16(at, true)],
  I32: [4, (view, at) => view.getInt32(at, true)],
  I64: [8, (view, at) => Number(view.getBigInt64(at, true))],
};

/**
 * Read the tensors whose names begin with `prefix`; the prefix is removed.
 *
 * @throws {WeightsError} if the bytes are no safetensors file, or a tensor has another type than an integer one
 */
export function readTensors(data: Uint8Array, prefix: string): TensorFile {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const length = data.length >= 8 ? Number(view.getBigUint64(0, true)) : Infinity;
  if (8 + length > data.length) throw new WeightsError("the weights are not a safetensors file");
  const header = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length))) as Record<string, unknown>;
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(entries)) {
    if (name.startsWith(prefix))
      tensors.set(name.slice(prefix.length), readTensor(name, entry as Entry, view, 8 + length));
  }
  return { metadata: metadata as Record<string, string>, tensors };
}

function readTensor(name: string, entry: Entry, view: DataView, start: number): Tensor {
  const type = TYPES[entry.dtype];
  if (!type) throw new WeightsError(`tensor ${name} has the type ${entry.dtype}; integers have ${Object.keys(TYPES)}`);
  const [size, read] = type;
  const count = entry.shape.reduce((product, n) => product * n, 1);
  const [first, last] = entry.data_offsets;
  if (last - first !== count * size || start + last > view.byteLength) {
    throw new WeightsError(`tensor ${name} has ${last - first} bytes for ${count} values of ${entry.dtype}`);
  }
  return {
    shape: entry.shape,
    values: Float64Array.from({ length: count }, (_, i) => read(view, start + first + size * i)),
  };
}

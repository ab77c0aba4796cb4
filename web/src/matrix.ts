/** Matrices of integers, row by row, and the products of docs/bitstream.md. */

/** An integer tensor; values are exact in doubles. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** Add x W to `sums`, for a vector x of as many values as W has rows. Rows of zero factors are left out. */
export function addProduct(sums: Float64Array, x: ArrayLike<number>, w: Tensor): void {
  const columns = w.shape[1]!;
  for (let i = 0; i < x.length; i++) {
    if (x[i] !== 0) addRow(sums, x[i]!, w.values, i * columns);
  }
}

/** Add `factor` times the row of `values` that begins at `start`. */
export function addRow(sums: Float64Array, factor: number, values: Float64Array, start: number): void {
  for (let j = 0; j < sums.length; j++) sums[j]! += factor * values[start + j]!;
}

/** Return the tensor's rows from `first` to before `last`, as a view. */
export function rows(tensor: Tensor, first: number, last: number): Tensor {
  const columns = tensor.shape[1]!;
  return { shape: [last - first, columns], values: tensor.values.subarray(first * columns, last * columns) };
}

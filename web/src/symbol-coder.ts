/** The sum of the frequencies of every table. */
export const TOTAL = 65536;

/**
 * What the entropy model needs of a range decoder or encoder. The model walks through a packet in one way for both: a
 * decoder returns symbols and ignores those it is given, an encoder writes the given symbols and returns them.
 */
export interface SymbolCoder {
  /** Code one of `count` symbols; `cumulative` holds its table from index `first` on: count + 1 values, 0 to 65536. */
  code(cumulative: ArrayLike<number>, first: number, count: number, symbol?: number): number;

  /** Code an integer of 0 to 16 bits, all its values equally likely. */
  raw(bits: number, value?: number): number;
}

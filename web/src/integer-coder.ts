import { BitstreamError } from "./errors.js";
import type { Tensor } from "./matrix.js";
import { clamp, mod, shift } from "./notation.js";
import type { SymbolCoder } from "./symbol-coder.js";

/** Integers beyond this magnitude are damage. */
export const LIMIT = 16000;

const ESCAPE = 81;
const CENTRE = 40;
const PHASES = 16;
const ENTRIES = 83; // cumulative frequencies of a table

/** The table of an integer: it begins at `first` in the frequency tables, its middle symbol is `base`. */
interface Table {
  readonly first: number;
  readonly base: number;
}

/** Select the table of an integer by its mean and scale, both with 20 fractional bits. */
function select(mean: number, scale: number): Table {
  const mu = shift(mean, 16);
  const row = clamp(shift(scale, 20), 0, 63);
  return { first: (row * PHASES + mod(mu, PHASES)) * ENTRIES, base: Math.floor(mu / PHASES) };
}

/** Code an integer; `value` is used by encoders only. `tables` has the shape (64, 16, 83). */
export function codeInteger(coder: SymbolCoder, tables: Tensor, mean: number, scale: number, value = 0): number {
  const { first, base } = select(mean, scale);
  const given = value - base + CENTRE;
  const symbol = coder.code(tables.values, first, ESCAPE + 1, given >= 0 && given < ESCAPE ? given : ESCAPE);
  const coded = symbol < ESCAPE ? base + symbol - CENTRE : base + codeDistance(coder, value - base);
  if (Math.abs(coded) > LIMIT) throw new BitstreamError(`the integer ${coded} is beyond ${LIMIT}`);
  return coded;
}

function codeDistance(coder: SymbolCoder, distance: number): number {
  const beyond = Math.max(Math.abs(distance) - CENTRE, 1);
  const octave = Math.floor(Math.log2(beyond));
  const word = coder.raw(5, 2 * octave + (distance < 0 ? 1 : 0));
  const bits = Math.floor(word / 2);
  const magnitude = 2 ** bits + coder.raw(bits, beyond - 2 ** octave) + CENTRE;
  return word % 2 ? -magnitude : magnitude;
}

/** Code the correction e, -1 to 1, by which an enhancement layer refines the latent `coarse` to 3 `coarse` + e. */
export function codeTernary(
  coder: SymbolCoder,
  tables: Tensor,
  mean: number,
  scale: number,
  coarse: number,
  value = 0,
): number {
  const { first, base } = select(mean, scale);
  const weights = [-1, 0, 1].map((e) => {
    const at = 3 * coarse + e - base + CENTRE;
    return at >= 0 && at <= 80 ? tables.values[first + at + 1]! - tables.values[first + at]! : 1;
  });
  const sum = weights[0]! + weights[1]! + weights[2]!;
  const below = 1 + Math.floor((65533 * weights[0]!) / sum);
  const above = 1 + Math.floor((65533 * weights[2]!) / sum);
  return coder.code([0, below, 65536 - above, 65536], 0, 3, value + 1) - 1;
}

/** Return the bits that an integer costs. */
export function integerBits(tables: Tensor, mean: number, scale: number, value: number): number {
  const { first, base } = select(mean, scale);
  const symbol = value - base + CENTRE;
  const escaped = symbol < 0 || symbol >= ESCAPE;
  const at = first + (escaped ? ESCAPE : symbol);
  const bits = 16 - Math.log2(tables.values[at + 1]! - tables.values[at]!);
  return escaped ? bits + 5 + Math.floor(Math.log2(Math.max(Math.abs(value - base) - CENTRE, 1))) : bits;
}

import { BitstreamError } from "./errors.js";
import { codeInteger } from "./integer-coder.js";
import { addProduct, addRow } from "./matrix.js";
import { activate, clip } from "./notation.js";
import type { SideModel, SideTensors } from "./side-model.js";
import type { SymbolCoder } from "./symbol-coder.js";
import { Triangle, type Sums } from "./triangle.js";

/** Side integers beyond this magnitude count as this magnitude. */
export const SIDE_LIMIT = 31;

/** What the first symbols of a packet depend on. */
export interface SideContext {
  /** Step index of the last packet, q'. */
  readonly step: number;
  /** Side integers of the last packet, v', and of the one before it, v''. */
  readonly side: readonly [ArrayLike<number>, ArrayLike<number>];
  /** Packets since the last context reset, the last packet included: 1 after the packet that resets, 0 before it. */
  readonly age: number;
}

/** The first symbols of a packet. */
export interface Side {
  readonly reset: boolean;
  readonly step: number;
  readonly side: ArrayLike<number>;
}

/** Return the context after a context reset. */
export function initialSide({ stepSizes, sideIntegers }: SideModel): SideContext {
  const side = new Int32Array(sideIntegers);
  return { step: Math.floor(stepSizes / 2), side: [side, side], age: 0 };
}

/** Code the flag that says whether a packet resets the context. */
export function codeReset(coder: SymbolCoder, model: SideModel, reset = false): boolean {
  return coder.code(model.flag, 0, 2, reset ? 1 : 0) === 1;
}

/**
 * Code context reset flag, step index and side integers.
 *
 * @param initial - the context after a reset
 * @returns them, and the context that holds for the rest of the packet
 * @throws {BitstreamError} if a packet without context does not reset it
 */
export function codeSide<C extends SideContext>(
  coder: SymbolCoder,
  model: SideModel,
  initial: C,
  before: C,
  given?: Side,
): { reset: boolean; step: number; side: Int32Array; context: C } {
  const reset = codeReset(coder, model, given?.reset);
  const context = reset ? initial : before;
  if (!reset && before.age === 0) throw new BitstreamError("the first packet does not reset the context");
  const step = coder.code(stepTable(model, context), 0, model.stepSizes, given?.step);
  const side = new Int32Array(model.sideIntegers);
  const sums = sideSums(model, context, context.age);
  for (let k = 0; k < side.length; k++) {
    side[k] = codeInteger(coder, model.tables, sums.mean(k), sums.scale(k), given?.side[k]);
    sums.add(k, side[k]!);
  }
  return { reset, step, side, context };
}

function stepTable({ resetSteps, stepSizes: n }: SideModel, context: SideContext): Float64Array {
  if (context.age === 0 && resetSteps) return resetSteps;
  const other = Math.floor(2048 / (n - 1));
  const table = new Float64Array(n + 1);
  for (let q = 0; q < n; q++) table[q + 1] = table[q]! + (q === context.step ? 65536 - (n - 1) * other : other);
  return table;
}

/** Return the sums of the side integers of a packet that is `age` packets after the last context reset. */
function sideSums(model: SideModel, context: SideContext, age: number): Sums {
  const side = model.side[Math.min(age, 2) as 0 | 1 | 2];
  const n = model.sideIntegers;
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

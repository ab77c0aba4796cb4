import { mod } from "./notation.js";
import { TOTAL, type SymbolCoder } from "./symbol-coder.js";

const FULL = 2 ** 48;
const SMALL = 2 ** 40;

/**
 * The range encoder. `low` is kept below 2^48: its higher digits are the bytes written so far, into which a carry may
 * still run.
 */
export class RangeEncoder implements SymbolCoder {
  private range = FULL;
  private low = 0;
  private readonly bytes: number[] = [];

  code(cumulative: ArrayLike<number>, first: number, _count: number, symbol = 0): number {
    const c = cumulative[first + symbol]!;
    this.narrow(c, cumulative[first + symbol + 1]! - c);
    return symbol;
  }

  raw(bits: number, value = 0): number {
    const frequency = 2 ** (16 - bits);
    this.narrow(value * frequency, frequency);
    return value;
  }

  private narrow(c: number, frequency: number): void {
    const unit = Math.floor(this.range / TOTAL);
    this.add(unit * c);
    this.range = unit * frequency;
    while (this.range < SMALL) {
      this.bytes.push(Math.floor(this.low / SMALL));
      this.low = 256 * mod(this.low, SMALL);
      this.range *= 256;
    }
  }

  private add(amount: number): void {
    this.low += amount;
    if (this.low < FULL) return;
    this.low -= FULL;
    let at = this.bytes.length - 1;
    while (this.bytes[at] === 255) this.bytes[at--] = 0;
    if (at >= 0) this.bytes[at]!++;
  }

  /** Return the bytes of the symbols, by the rule "End". */
  finish(): Uint8Array {
    let [extra, unit] = [0, FULL];
    while (extra < 2 && mod(-this.low, unit) + unit > this.range) {
      extra++;
      unit /= 256;
    }
    this.add(mod(-this.low, unit));
    for (let i = 0; i < extra; i++) {
      this.bytes.push(Math.floor(this.low / SMALL));
      this.low = 256 * mod(this.low, SMALL);
    }
    return Uint8Array.from(this.bytes);
  }
}

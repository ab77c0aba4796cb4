import { BitstreamError } from "./errors.js";
import { mod } from "./notation.js";
import { TOTAL, type SymbolCoder } from "./symbol-coder.js";

const FULL = 2 ** 48;
const SMALL = 2 ** 40;

/**
 * The range decoder with bounded numbers. It reads one sequence of symbols from byte `start` on; bytes from `end` on
 * count as zeros. No number exceeds 2^48.
 */
export class RangeDecoder implements SymbolCoder {
  private range = FULL;
  private value = 0; // A: the six bytes in the window, relative to the interval
  private window = 0; // T: the integer formed by the six bytes read last
  private position: number;

  constructor(
    private readonly data: Uint8Array,
    private readonly start: number,
    private readonly end: number,
  ) {
    this.position = start;
    for (let i = 0; i < 6; i++) this.window = 256 * this.window + this.next();
    this.value = this.window;
  }

  private next(): number {
    const byte = this.position < this.end ? this.data[this.position]! : 0;
    this.position++;
    return byte;
  }

  code(cumulative: ArrayLike<number>, first: number, count: number): number {
    const unit = Math.floor(this.range / TOTAL);
    const target = this.target(unit);
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (cumulative[first + middle]! <= target) low = middle;
      else high = middle - 1;
    }
    const c = cumulative[first + low]!;
    this.take(unit, c, cumulative[first + low + 1]! - c);
    return low;
  }

  raw(bits: number): number {
    const unit = Math.floor(this.range / TOTAL);
    const frequency = 2 ** (16 - bits);
    const value = Math.floor(this.target(unit) / frequency);
    this.take(unit, value * frequency, frequency);
    return value;
  }

  private target(unit: number): number {
    const target = Math.floor(this.value / unit);
    if (target >= TOTAL) throw new BitstreamError("a packet contains a symbol that no encoder writes");
    return target;
  }

  private take(unit: number, c: number, frequency: number): void {
    this.value -= unit * c;
    this.range = unit * frequency;
    while (this.range < SMALL) {
      const byte = this.next();
      this.value = 256 * this.value + byte;
      this.window = 256 * mod(this.window, SMALL) + byte;
      this.range *= 256;
    }
  }

  /**
   * Return the position of the first byte after the sequence.
   *
   * @throws {BitstreamError} if the bytes are not those that the rule "End" gives, or end after the end of the data
   */
  finish(): number {
    const low = mod(this.window - this.value, FULL);
    let [extra, unit, gap] = [0, FULL, mod(-low, FULL)];
    while (extra < 2 && gap + unit > this.range) {
      extra++;
      unit /= 256;
      gap = mod(-low, unit);
    }
    const position = this.position - 6 + extra;
    if (this.value - mod(this.window, unit) !== gap) {
      throw new BitstreamError("the last bytes of a packet are not those of its symbols");
    }
    if (position > this.end) {
      throw new BitstreamError(
        `a packet of ${position - this.start} bytes exceeds the ${this.end - this.start} present`,
      );
    }
    return position;
  }
}

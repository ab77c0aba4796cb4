import { BitstreamError } from "./errors.js";

/** Reads big-endian fields one after the other. Reading beyond the end is damage. */
export class ByteReader {
  constructor(
    private readonly data: Uint8Array,
    public position = 0,
    private readonly end = data.length,
  ) {}

  get left(): number {
    return this.end - this.position;
  }

  /** Read an unsigned integer of up to 6 bytes. */
  uint(bytes: number): number {
    return this.bytes(bytes).reduce((value, byte) => 256 * value + byte, 0);
  }

  bytes(count: number): Uint8Array {
    if (count > this.left) throw new BitstreamError(`the stream ends ${count - this.left} bytes too early`);
    this.position += count;
    return this.data.subarray(this.position - count, this.position);
  }
}

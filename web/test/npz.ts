/** Reads the arrays of an .npz file, for tests: a ZIP archive of .npy files of small integers. */
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

export interface IntegerArray {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const READERS: Record<string, (data: Buffer, i: number) => number> = {
  "<i2": (data, i) => data.readInt16LE(2 * i),
  "|u1": (data, i) => data.readUInt8(i),
};

export function readNpz(path: string): Record<string, IntegerArray> {
  const data = readFileSync(path);
  const end = data.lastIndexOf("PK\x05\x06", undefined, "latin1");
  let at = data.readUInt32LE(end + 16);
  const arrays: Record<string, IntegerArray> = {};
  for (let i = 0; i < data.readUInt16LE(end + 10); i++) {
    const [method, size] = [data.readUInt16LE(at + 10), data.readUInt32LE(at + 20)];
    const [nameLength, extra, comment] = [28, 30, 32].map((field) => data.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    const name = data.toString("latin1", at + 46, at + 46 + nameLength);
    const local = data.readUInt32LE(at + 42);
    const start = local + 30 + data.readUInt16LE(local + 26) + data.readUInt16LE(local + 28);
    const content = data.subarray(start, start + size);
    arrays[name.replace(".npy", "")] = readNpy(method === 8 ? inflateRawSync(content) : content);
    at += 46 + nameLength + extra + comment;
  }
  return arrays;
}

function readNpy(data: Buffer): IntegerArray {
  const start = 10 + data.readUInt16LE(8);
  const header = data.toString("latin1", 10, start);
  const [type, dimensions] = [/'descr': '(.*?)'/.exec(header)![1]!, /'shape': \((.*?)\)/.exec(header)![1]!];
  const shape = dimensions
    .split(",")
    .filter((n) => n.trim())
    .map(Number);
  const count = shape.reduce((product, n) => product * n, 1);
  return { shape, values: Array.from({ length: count }, (_, i) => READERS[type]!(data.subarray(start), i)) };
}

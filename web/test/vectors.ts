/** The conformance vectors and the released weights, for tests. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readWeights, type Weights } from "../src/weights.js";

/** How a vector was made: an entry of index.json. */
export interface Vector {
  readonly name: string;
  readonly weights: string;
  readonly mode: string;
  readonly layers: number;
  readonly sample_rate_hz: number;
  readonly seconds: number;
}

/** The root of the repository, seen from web/dist/test. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const FOLDER = `${ROOT}tests/vectors/`;
export const VECTORS = Object.values(JSON.parse(readFileSync(`${FOLDER}index.json`, "utf8")) as Record<string, Vector>);

const loaded = new Map<string, Promise<Weights>>();

/** Load released weights once. */
export function weightsOf(name: string): Promise<Weights> {
  const found = loaded.get(name) ?? readWeights(readFileSync(`${ROOT}lpcnet_cq/released/${name}.safetensors`));
  loaded.set(name, found);
  return found;
}

export function streamOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${FOLDER}${name}.cq`));
}

/** Folder with one folder of graphs for each weights file: see README.md. Tests that need it are skipped without it. */
export const GRAPHS = process.env["CQ_GRAPHS"];

/** Round samples to 16 bits, as the command line does. */
export function pcm16(samples: Float32Array): number[] {
  return Array.from(samples, (x) => Math.min(Math.max(Math.round(32768 * x), -32768), 32767));
}

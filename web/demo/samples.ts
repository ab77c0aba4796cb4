/** The prepared samples of the listening test: what `make samples` wrote beside the page. */
import { readSound } from "./audio.js";

export interface System {
  readonly name: string;
  /** Mean over the items. */
  readonly kbps: number;
  /** One per item. */
  readonly files: readonly string[];
}

export interface Samples {
  readonly levelDbov: number;
  readonly weights: string;
  readonly items: readonly { readonly name: string; readonly credit: string; readonly licence: string }[];
  readonly references: readonly string[];
  readonly anchor: { readonly name: string; readonly files: readonly string[] };
  readonly tests: readonly { readonly kbps: number; readonly systems: readonly System[] }[];
  /** Sentences about systems that are missing. */
  readonly missing: readonly string[];
}

/** A version of every excerpt. */
export interface Version {
  readonly name: string;
  /** One per item. */
  readonly files: readonly string[];
}

/** Return all versions that can be compared: the originals, and each codec at each bitrate. */
export function versionsOf(samples: Samples): Version[] {
  const coded = samples.tests.flatMap(({ systems }) => systems);
  return [
    { name: "original", files: samples.references },
    ...coded.map(({ name, kbps, files }) => ({ name: `${name}, ${kbps} kbps`, files })),
    samples.anchor,
  ];
}

const FOLDER = "samples/";

async function fetched(file: string): Promise<Response> {
  const response = await fetch(FOLDER + file);
  if (!response.ok) throw new Error(`${FOLDER}${file} cannot be loaded: status ${response.status}`);
  return response;
}

export async function loadSamples(): Promise<Samples> {
  return (await fetched("samples.json")).json() as Promise<Samples>;
}

const sounds = new Map<string, Promise<Float32Array<ArrayBuffer>>>();

/** Load and decode a file once. */
export function loadSound(file: string): Promise<Float32Array<ArrayBuffer>> {
  const found = sounds.get(file) ?? fetched(file).then(async (response) => readSound(await response.arrayBuffer()));
  sounds.set(file, found);
  return found;
}

/** MUSHRA (ITU-R BS.1534-3): ratings against an open reference, with hidden reference and anchor. Plan and result. */
import { GENERATOR, generator, permutation } from "./random.js";
import { CONFIDENCE, meanOf, type Mean } from "./statistics.js";

export const HIDDEN_REFERENCE = "hidden reference";

/** BS.1534-3, 4.1.2: who rates the hidden reference below 90 in more than 15 % of the items is left out. */
const SCREENING = { lowest: 90, limit: 0.15 } as const;

export interface MushraTrial {
  /** Index of the excerpt. */
  readonly item: number;
  /** Indices of the versions, in the order in which the page shows them. */
  readonly order: readonly number[];
}

/** Plan trials: every excerpt once, in random order, with its versions in random order. */
export function planMushra(items: number, versions: number, seed: number): MushraTrial[] {
  const random = generator(seed);
  return permutation(items, random).map((item) => ({ item, order: permutation(versions, random) }));
}

export interface Rating {
  readonly item: string;
  readonly version: string;
  /** 0 to 100. */
  readonly score: number;
}

export interface SystemMean extends Mean {
  readonly version: string;
}

export interface MushraResult {
  readonly method: "MUSHRA";
  readonly seed: number;
  readonly generator: string;
  readonly kbps: number;
  /** In the order in which they were given. */
  readonly ratings: readonly Rating[];
  readonly screening: {
    readonly lowest: number;
    readonly limit: number;
    /** Share of the items in which the hidden reference is rated below `lowest`. */
    readonly share: number;
    readonly kept: boolean;
  };
  /** Means over the items, with intervals by Student's t. */
  readonly systems: readonly SystemMean[];
  readonly confidence: number;
}

/** Gather values by a key, in the order in which the keys come. */
function groups<K, V>(values: readonly V[], key: (value: V) => K): [K, V[]][] {
  const found = new Map<K, V[]>();
  for (const value of values) found.set(key(value), [...(found.get(key(value)) ?? []), value]);
  return Array.from(found);
}

/** Return the mean of each version over all ratings, the highest first. */
export function meansOf(ratings: readonly Rating[]): SystemMean[] {
  const byVersion = groups(ratings, ({ version }) => version);
  const means = byVersion.map(([version, rows]) => ({ version, ...meanOf(rows.map(({ score }) => score)) }));
  return means.sort((a, b) => b.mean - a.mean);
}

/** Evaluate ratings. */
export function mushraResult(kbps: number, ratings: readonly Rating[], seed: number): MushraResult {
  const hidden = ratings.filter(({ version }) => version === HIDDEN_REFERENCE);
  const share = hidden.filter(({ score }) => score < SCREENING.lowest).length / hidden.length;
  return {
    method: "MUSHRA",
    seed,
    generator: GENERATOR,
    kbps,
    ratings,
    screening: { ...SCREENING, share, kept: share <= SCREENING.limit },
    systems: meansOf(ratings),
    confidence: CONFIDENCE,
  };
}

export interface Combined {
  readonly kbps: number;
  readonly listeners: number;
  readonly leftOut: number;
  readonly systems: readonly SystemMean[];
}

/** Combine the results of several listeners at one rate; those who fail the post-screening are left out. */
export function combine(results: readonly MushraResult[]): Combined[] {
  return groups(results, ({ kbps }) => kbps).map(([kbps, rows]) => {
    const kept = rows.filter(({ screening }) => screening.kept);
    const systems = meansOf(kept.flatMap(({ ratings }) => ratings));
    return { kbps, listeners: kept.length, leftOut: rows.length - kept.length, systems };
  });
}

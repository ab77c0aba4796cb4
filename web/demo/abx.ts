/** ABX: which of two versions is X? Plan and result. */
import { GENERATOR, generator, permutation } from "./random.js";
import { CONFIDENCE, guessingProbability, shareInterval, type Interval } from "./statistics.js";

export type Letter = "A" | "B";

export interface AbxTrial {
  /** Index of the excerpt. */
  readonly item: number;
  /** Which version X is. */
  readonly x: Letter;
}

/** Plan trials: excerpts in random order, each one once before one comes again, and random X. */
export function planAbx(items: number, count: number, seed: number): AbxTrial[] {
  const random = generator(seed);
  const rounds = Array.from({ length: Math.ceil(count / items) }, () => permutation(items, random));
  return rounds
    .flat()
    .slice(0, count)
    .map((item) => ({ item, x: random() < 0.5 ? "A" : "B" }));
}

export interface AbxResult {
  readonly method: "ABX";
  readonly seed: number;
  readonly generator: string;
  readonly versions: Readonly<Record<Letter, string>>;
  readonly trials: readonly { readonly item: string; readonly x: Letter; readonly answer: Letter }[];
  readonly n: number;
  readonly right: number;
  /** Probability of as many right answers or more by guessing (binomial, one-sided). */
  readonly pValue: number;
  readonly share: number;
  /** Of the share of right answers: Clopper and Pearson. */
  readonly interval: Interval;
  readonly confidence: number;
}

/** Evaluate answers. @param versions - names of A and B @param items - names of the excerpts */
export function abxResult(
  versions: Readonly<Record<Letter, string>>,
  items: readonly string[],
  trials: readonly AbxTrial[],
  answers: readonly Letter[],
  seed: number,
): AbxResult {
  const rows = trials.map(({ item, x }, t) => ({ item: items[item]!, x, answer: answers[t]! }));
  const right = rows.filter(({ x, answer }) => x === answer).length;
  return {
    method: "ABX",
    seed,
    generator: GENERATOR,
    versions,
    trials: rows,
    n: rows.length,
    right,
    pValue: guessingProbability(right, rows.length),
    share: right / rows.length,
    interval: shareInterval(right, rows.length),
    confidence: CONFIDENCE,
  };
}

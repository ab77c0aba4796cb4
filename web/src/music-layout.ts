/** Which band a line of the spectrum belongs to. */

const LONG = [
  0, 5, 9, 14, 19, 24, 29, 35, 41, 48, 56, 64, 74, 85, 97, 112, 129, 149, 172, 198, 227, 258, 292, 329, 369, 415, 466,
  525, 591, 665, 746, 834, 928,
];
const SHORT = [0, 2, 5, 9, 16, 28, 46, 74, 116];
const SHORT_BLOCKS = 8;
const SHORT_BANDS = 8;

function bandIn(edges: readonly number[], line: number): number {
  return edges.findIndex((edge) => line < edge) - 1;
}

/** Return the band of each of `lines` lines, in a long block (0) and in short blocks (1). */
export function bandsOfLines(lines: number): readonly [readonly number[], readonly number[]] {
  const all = Array.from({ length: lines }, (_, k) => k);
  return [
    all.map((k) => bandIn(LONG, k)),
    all.map((k) => bandIn(SHORT, Math.floor(k / SHORT_BLOCKS)) + SHORT_BANDS * Math.floor((k % SHORT_BLOCKS) / 2)),
  ];
}

/** The LPC envelope of a packet: what its filter and its gain say of the spectrum. */
import type { Envelope } from "../src/index.js";
import { spectrogram, transform } from "./spectrum.js";

/** Samples of a spectrum; a power of two. */
export const SIZE = 512;
const HANN_POWER = (3 / 8) * SIZE; // sum of the squares of the window
const FLOOR = 1e-9;

/** Return the envelope in dB on the scale of `spectrogram`: bins 0 to SIZE / 2 - 1. */
export function envelopeDb({ filter, logGain }: Envelope): Float32Array {
  const re = new Float32Array(SIZE);
  const im = new Float32Array(SIZE);
  re.set(filter);
  transform(re, im);
  const gainDb = 10 * Math.log10(HANN_POWER) + (20 / Math.LN10) * logGain;
  return Float32Array.from({ length: SIZE / 2 }, (_, k) => gainDb - 10 * Math.log10(re[k]! ** 2 + im[k]! ** 2 + FLOOR));
}

/** Return the spectrum in dB of the samples around `centre`. */
export function spectrumDb(samples: Float32Array, centre: number): Float32Array {
  const part = Float32Array.from({ length: SIZE }, (_, n) => samples[centre - SIZE / 2 + n] ?? 0);
  return spectrogram(part, SIZE, 1)[0]!;
}

/** Return the frequency in Hz of the highest point of an envelope. */
export function peakHz(db: Float32Array, rateHz: number): number {
  return (db.indexOf(Math.max(...db)) * rateHz) / SIZE;
}

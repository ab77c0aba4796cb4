/** Level normalisation: signals far from the level of the training data are scaled before coding. */

const SMOOTHING_S = 0.1; // time constant of the short-term power
const NOMINAL_DB = -23; // active level that is aimed at; full scale is 0 dB
const LOWEST_DB = -33; // active levels in this range are coded as they are
const HIGHEST_DB = -12;
const SILENCE_DB = -85; // signals below are coded as they are

/** Return the level of a whole file, -7 to 7, by the peak of its short-term power. */
export function chooseLevel(samples: Float32Array, rateHz: number): number {
  const weight = 1 / (SMOOTHING_S * rateHz);
  let [power, active] = [0, 0];
  for (const x of samples) {
    power += weight * (x * x - power);
    active = Math.max(active, power);
  }
  const activeDb = 10 * Math.log10(active + 1e-20);
  if (activeDb < SILENCE_DB || (activeDb >= LOWEST_DB && activeDb <= HIGHEST_DB)) return 0;
  return Math.min(Math.max(Math.round((activeDb - NOMINAL_DB) / (20 * Math.log10(2))), -7), 7);
}

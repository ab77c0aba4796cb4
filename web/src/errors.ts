/** A stream is damaged, cut off, or of other weights: the only error that bytes of a stream can cause. */
export class BitstreamError extends Error {
  override name = "BitstreamError";
}

/** A weights file cannot be used. */
export class WeightsError extends Error {
  override name = "WeightsError";
}

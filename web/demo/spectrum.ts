/** Short-term spectra for drawing. */

/** Return the magnitudes in dB of frames of `size` samples (a power of two), Hann window: bins 0 to size / 2 - 1. */
export function spectrogram(samples: Float32Array, size: number, frames: number): Float32Array[] {
  const window = Float32Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
  const step = Math.max(samples.length - size, 0) / Math.max(frames - 1, 1);
  return Array.from({ length: frames }, (_, t) => {
    const start = Math.round(t * step);
    const re = window.map((w, n) => w * (samples[start + n] ?? 0));
    const im = new Float32Array(size);
    transform(re, im);
    return Float32Array.from({ length: size / 2 }, (_, k) => 10 * Math.log10(re[k]! ** 2 + im[k]! ** 2 + 1e-9));
  });
}

/** Fourier transform in place, radix 2. */
export function transform(re: Float32Array, im: Float32Array): void {
  const n = re.length;
  for (let i = 0, j = 0; i < n; i++) {
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)];
      for (let a = k; a < n; a += size) {
        const b = a + size / 2;
        const [x, y] = [re[b]! * c - im[b]! * s, re[b]! * s + im[b]! * c];
        [re[b], im[b]] = [re[a]! - x, im[a]! - y];
        [re[a], im[a]] = [re[a]! + x, im[a]! + y];
      }
    }
  }
}

import { SIZE } from "./envelope.js";
import { spectrogram } from "./spectrum.js";

const INK = "#1f4e79";
const LOST = "#b3261e";
const PALE = "#9fb8d1";
const FLOOR_DB = -50;
const CEILING_DB = 35;

function cleared(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, canvas.width, canvas.height);
  return context;
}

/** Draw the extremes of the samples of each column. */
export function drawWaveform(canvas: HTMLCanvasElement, samples: Float32Array): void {
  const context = cleared(canvas);
  const { width, height } = canvas;
  context.fillStyle = INK;
  for (let x = 0; x < width; x++) {
    const part = samples.subarray(
      Math.floor((x * samples.length) / width),
      Math.floor(((x + 1) * samples.length) / width),
    );
    const low = part.reduce((least, v) => Math.min(least, v), 0);
    const high = part.reduce((most, v) => Math.max(most, v), 0);
    context.fillRect(x, (height * (1 - high)) / 2, 1, Math.max((height * (high - low)) / 2, 1));
  }
}

/** Draw levels from 0 to 8 kHz, dark where they are high. */
export function drawSpectrogram(canvas: HTMLCanvasElement, samples: Float32Array): void {
  const context = cleared(canvas);
  const { width, height } = canvas;
  const image = context.createImageData(width, height);
  const columns = spectrogram(samples, SIZE, width);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const db = columns[x]![Math.floor(((height - 1 - y) * SIZE) / 2 / height)]!;
      const shade = 255 * (1 - Math.min(Math.max((db - FLOOR_DB) / (CEILING_DB - FLOOR_DB), 0), 1));
      image.data.set([shade, shade, Math.min(shade + 30, 255), 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
}

/** Draw a spectrum from 0 to 8 kHz, pale, and the LPC envelope of its packet as a line. */
export function drawEnvelope(canvas: HTMLCanvasElement, spectrum: Float32Array, envelope: Float32Array): void {
  const context = cleared(canvas);
  const { width, height } = canvas;
  const high = (db: number): number => (height * (CEILING_DB - db)) / (CEILING_DB - FLOOR_DB);
  const curves = [
    [spectrum, PALE, 1],
    [envelope, LOST, 2],
  ] as const;
  for (const [curve, colour, thickness] of curves) {
    [context.strokeStyle, context.lineWidth] = [colour, thickness];
    context.beginPath();
    curve.forEach((db, k) => context.lineTo((k * width) / curve.length, high(db)));
    context.stroke();
  }
}

/** Draw a bar for the bits of each packet, mark lost packets, and the packet that is chosen. */
export function drawBits(
  canvas: HTMLCanvasElement,
  bits: readonly number[],
  lost: readonly boolean[],
  chosen: number,
): void {
  const context = cleared(canvas);
  const { width, height } = canvas;
  const most = Math.max(...bits, 1);
  context.fillStyle = PALE;
  context.fillRect((chosen * width) / bits.length, 0, Math.max(width / bits.length, 2), height);
  bits.forEach((count, t) => {
    context.fillStyle = lost[t] ? LOST : INK;
    const bar = (height * count) / most;
    context.fillRect((t * width) / bits.length, height - bar, Math.max(width / bits.length - 0.5, 0.5), bar);
  });
}

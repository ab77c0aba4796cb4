/** The packets of a file on a channel that loses some of them. */
import { nextReceived, type LiveDecoder } from "../src/index.js";

/** Return after how many packets the context is reset: more packets are lost, fewer must depend on them. */
export function resetEvery(loss: number): number {
  if (loss >= 0.04) return 1;
  if (loss >= 0.015) return 2;
  return loss >= 0.005 ? 5 : 500;
}

/** Choose lost packets, the same ones in every run; the first one is not lost. */
export function chooseLost(count: number, loss: number): boolean[] {
  let state = 1;
  const random = (): number => (state = (16807 * state) % 2147483647) / 2147483647;
  return Array.from({ length: count }, (_, t) => random() < loss && t > 0);
}

/** Yield the samples of each packet of a file, null for a lost one, as a decoder of files begins. */
export async function* decodeFile(
  decoder: LiveDecoder,
  received: readonly (Uint8Array | null)[],
): AsyncGenerator<Float32Array> {
  await decoder.push(null); // the networks do not begin with zeros, or the first sounds would be a click
  for (const [t, packet] of received.entries()) yield decoder.push(packet, null, ...nextReceived(received, t));
}

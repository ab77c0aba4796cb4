/** The level of packets: the exponent of two by which a decoder scales its output. */

/** Level of a packet from the byte behind it, or undefined if this byte is not a level. */
export function levelOfByte(byte: number | undefined): number | undefined {
  return byte !== undefined && byte >= 1 && byte <= 15 && byte !== 8 ? byte - 8 : undefined;
}

/**
 * Multiply the samples of packets by two to the power of their levels, in place.
 *
 * @param samples - of T packets of `hop` samples, as they come from the decoder
 * @param levels - of the packet before, and of the T packets
 * @param delay - of the decoder: packet i begins at sample i hop + delay of its output
 */
export function applyLevels(samples: Float32Array, levels: readonly number[], hop: number, delay: number): void {
  if (levels.every((level) => level === 0)) return;
  for (let n = 0; n < samples.length; n++) {
    const packet = Math.floor((n - delay) / hop);
    const k = n - delay - packet * hop;
    const before = levels[Math.max(packet, 0)]!;
    const level = packet < 0 ? before : levels[packet + 1]!;
    samples[n]! *= 2 ** (before + (level - before) * Math.min((k + 1) / (hop - delay), 1));
  }
}

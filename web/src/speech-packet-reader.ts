import { BitstreamError } from "./errors.js";
import { levelOfByte } from "./level.js";
import { RangeDecoder } from "./range-decoder.js";
import type { LivePacket, PacketReader } from "./stream.js";
import { codeReset } from "./side-coder.js";
import type { SpeechContext } from "./speech-context.js";
import type { Coded, SpeechPacket, SpeechPacketCoder } from "./speech-packet.js";

/** Reads packets of speech from bytes. */
export class SpeechPacketReader implements PacketReader<SpeechContext, SpeechPacket> {
  constructor(readonly coder: SpeechPacketCoder) {}

  initial(): SpeechContext {
    return this.coder.initial();
  }

  /** Read a packet with its enhancement layer, if any; `at` is the position behind it. */
  read(data: Uint8Array, start: number, before: SpeechContext, layers: number): Coded & { at: number } {
    const decoder = new RangeDecoder(data, start, data.length);
    const coarse = this.coder.code(decoder, before);
    const at = decoder.finish();
    if (layers === 0) return { ...coarse, at };
    const layerDecoder = new RangeDecoder(data, at, data.length);
    const fine = this.coder.codeLayer(layerDecoder, before, coarse);
    return { ...fine, at: layerDecoder.finish() };
  }

  /** Say whether a packet resets the context. */
  resets(bytes: Uint8Array): boolean {
    return codeReset(new RangeDecoder(bytes, 0, bytes.length), this.coder.tensors);
  }

  /**
   * Read a live packet with its level, in a context; `levelBefore` holds for packets that do not reset it.
   *
   * @throws {BitstreamError} if the packet is damaged, or what follows is neither its level, nor zero, nor a copy
   */
  readLive(
    bytes: Uint8Array,
    before: SpeechContext,
    layers: number,
    levelBefore: number,
  ): LivePacket<SpeechContext, SpeechPacket> {
    const { packet, context, at } = this.read(bytes, 0, before, layers);
    const mayHaveMore = layers === 0 && packet.reset;
    const ownLevel = mayHaveMore ? levelOfByte(bytes[at]) : undefined;
    const rest = bytes.subarray(at + (ownLevel === undefined ? 0 : 1));
    const padding = isZero(rest);
    if (!padding && !(layers === 0 && this.resets(rest))) {
      throw new BitstreamError("the bytes behind a packet are neither its level, nor zero, nor a copy");
    }
    const descriptor = mayHaveMore && isZero(packet.latents) && padding && rest.length === 1;
    return { frame: { packet, descriptor, level: packet.reset ? (ownLevel ?? 0) : levelBefore }, context, rest };
  }

  /**
   * Read the copy of an earlier packet that a packet of one layer carries; undefined if there is none.
   *
   * @throws {BitstreamError} if packet or copy is damaged, or what follows the copy is neither its level nor zero
   */
  readCopy(bytes: Uint8Array): LivePacket<SpeechContext, SpeechPacket> | undefined {
    if (bytes.length === 0 || !this.resets(bytes)) return undefined;
    const { rest } = this.readLive(bytes, this.initial(), 0, 0);
    if (isZero(rest)) return undefined;
    const copy = this.readLive(rest, this.initial(), 0, 0);
    if (!isZero(copy.rest))
      throw new BitstreamError(`a packet has ${copy.rest.length} bytes behind the copy that it carries`);
    return copy;
  }
}

function isZero(values: Uint8Array | Int32Array): boolean {
  return values.every((value: number) => value === 0);
}

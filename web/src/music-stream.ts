import { BitstreamError } from "./errors.js";
import { CODEC_MUSIC } from "./header.js";
import { MusicPacketCoder, type MusicContext, type MusicPacket } from "./music-packet.js";
import { musicTensors } from "./music-tensors.js";
import { RangeDecoder } from "./range-decoder.js";
import { codeReset } from "./side-coder.js";
import { StreamReader, type LivePacket, type PacketReader } from "./stream.js";
import type { Weights } from "./weights.js";

export type { MusicPacket };

/** Reads packets of music from bytes. They have no enhancement layers and no levels. */
class MusicPacketReader implements PacketReader<MusicContext, MusicPacket> {
  constructor(private readonly coder: MusicPacketCoder) {}

  initial(): MusicContext {
    return this.coder.initial();
  }

  read(
    data: Uint8Array,
    start: number,
    before: MusicContext,
  ): { packet: MusicPacket; context: MusicContext; at: number } {
    const decoder = new RangeDecoder(data, start, data.length);
    const coded = this.coder.code(decoder, before);
    return { ...coded, at: decoder.finish() };
  }

  readLive(bytes: Uint8Array, before: MusicContext): LivePacket<MusicContext, MusicPacket> {
    const { packet, context, at } = this.read(bytes, 0, before);
    const rest = bytes.subarray(at);
    if (rest.some((byte) => byte) && !codeReset(new RangeDecoder(rest, 0, rest.length), this.coder.tensors)) {
      throw new BitstreamError("the bytes behind a packet are neither zero nor a copy");
    }
    return { frame: { packet, descriptor: false, level: 0 }, context, rest };
  }
}

/** Reads streams of one weights file for music, to integers. */
export class MusicStreamReader extends StreamReader<MusicContext, MusicPacket> {
  constructor(weights: Weights) {
    const { sample_rate_hz: codingRateHz, hop } = weights.config.spec;
    const packets = new MusicPacketReader(new MusicPacketCoder(musicTensors(weights)));
    super(packets, { model: weights.model, codec: CODEC_MUSIC, codingRateHz, hop, channels: 2, delay: hop });
  }
}

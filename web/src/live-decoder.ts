import { applyLevels } from "./level.js";
import type { SpeechPacketReader } from "./speech-packet-reader.js";
import type { Frame } from "./stream.js";
import { NOTHING, type SpeechPacket } from "./speech-packet.js";
import { DECODER_DELAY } from "./speech-stream.js";
import type { SpeechSynthesis } from "./speech-synthesis.js";

/** Largest distance over which lost packets are interpolated, in packets. */
export const MAX_DISTANCE = 3;

/** Return the next received packet after packet `t`, as a jitter buffer knows it, and how many packets later it is. */
export function nextReceived(received: readonly (Uint8Array | null)[], t: number): [Uint8Array | null, number] {
  const ahead = received.slice(t + 1, t + 1 + MAX_DISTANCE).findIndex((packet) => packet !== null);
  return ahead < 0 ? [null, 1] : [received[t + 1 + ahead]!, ahead + 1];
}

/** Turns each packet of one layer, also a lost one, into a frame of samples at the coding rate. */
export class LiveDecoder {
  private context;
  private last: SpeechPacket | undefined;
  private background: Int32Array | undefined;

  /** @param level - before the first packet: 0 in live streams, that of the first packet in files */
  constructor(
    private readonly packets: SpeechPacketReader,
    private readonly synthesis: SpeechSynthesis,
    private readonly hop: number,
    private level = 0,
  ) {
    this.context = packets.initial();
    synthesis.restart();
  }

  /**
   * Take a packet, an empty one for one that was not sent, or null for a lost one.
   *
   * @param following - if the packet is lost, a later one that may carry its copy
   * @param nextPacket - if the packet is lost, the next received one: concealment sounds better if it resets the context
   * @param distance - packets from the lost one to `nextPacket`, 1 to `MAX_DISTANCE`
   * @returns a frame of mono samples in [-1, 1]
   * @throws {BitstreamError} if the packet is damaged; the decoder's state does not change
   */
  async push(
    data: Uint8Array | null,
    following: Uint8Array | null = null,
    nextPacket: Uint8Array | null = null,
    distance = 1,
  ): Promise<Float32Array> {
    const before = this.level;
    const after = data === null ? this.readAlone(nextPacket) : undefined;
    const samples = await this.samples(this.receive(data, following), data?.length === 0, after, distance);
    applyLevels(samples, [before, this.level], this.hop, DECODER_DELAY);
    return samples.map((x) => Math.min(Math.max(x, -1), 1));
  }

  /** Return what is known of a frame; undefined if the packet was not sent, is lost, or has no context. */
  private receive(data: Uint8Array | null, following: Uint8Array | null): Frame<SpeechPacket> | undefined {
    let received;
    if (data?.length) {
      const readable = this.context.age > 0 || this.packets.resets(data);
      received = readable ? this.packets.readLive(data, this.context, 0, this.level) : undefined;
      this.context = received?.context ?? this.context;
    } else {
      received = data === null && following ? this.packets.readCopy(following) : undefined;
      this.context = this.packets.initial();
    }
    if (!received) return undefined;
    const { packet, descriptor, level } = received.frame;
    [this.last, this.level, this.background] = [packet, level, descriptor ? packet.side : undefined];
    return received.frame;
  }

  /** Read a packet that resets the context; undefined for others. */
  private readAlone(data: Uint8Array | null): SpeechPacket | undefined {
    if (!data?.length || !this.packets.resets(data)) return undefined;
    return this.packets.readLive(data, this.packets.initial(), 0, 0).frame.packet;
  }

  private async samples(
    frame: Frame<SpeechPacket> | undefined,
    unsent: boolean,
    after: SpeechPacket | undefined,
    distance: number,
  ): Promise<Float32Array> {
    if (unsent && !this.background) this.background = this.last?.side;
    if (this.background) return this.synthesis.comfortNoise(this.background);
    if (frame?.packet) return this.synthesis.packet(frame.packet);
    if (!this.last && this.synthesis.conceals) await this.synthesis.lost(NOTHING); // as in Python, the noise goes on
    if (!this.last || unsent) return new Float32Array(this.hop);
    return after ? this.synthesis.lostBefore(this.last, after, distance) : this.synthesis.lost(this.last);
  }
}

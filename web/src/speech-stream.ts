import { CODEC_SPEECH } from "./header.js";
import { SpeechPacketCoder, type SpeechPacket } from "./speech-packet.js";
import type { SpeechContext } from "./speech-context.js";
import { SpeechPacketReader } from "./speech-packet-reader.js";
import { speechTensors } from "./speech-tensors.js";
import { StreamReader, type Stream } from "./stream.js";
import type { Weights } from "./weights.js";

/** Samples by which the decoder's output lags its packets, at the coding rate. */
export const DECODER_DELAY = 64;

/** All integers of a file or live stream of speech. */
export type SpeechStream = Stream<SpeechPacket>;

/** Reads streams of one weights file for speech. */
export class SpeechStreamReader extends StreamReader<SpeechContext, SpeechPacket> {
  declare readonly packets: SpeechPacketReader;

  constructor(weights: Weights) {
    const { sample_rate_hz: codingRateHz, hop } = weights.config.spec;
    const packets = new SpeechPacketReader(new SpeechPacketCoder(speechTensors(weights)));
    super(packets, { model: weights.model, codec: CODEC_SPEECH, codingRateHz, hop, channels: 1, delay: DECODER_DELAY });
  }
}

export { BitstreamError, WeightsError } from "./errors.js";
export { readHeader, type Header } from "./header.js";
export { SpeechStreamReader, type Frame, type SpeechStream } from "./speech-stream.js";
export type { SpeechPacket } from "./speech-packet.js";
export { readWeights, type Weights } from "./weights.js";

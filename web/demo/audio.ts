/** Sound in and out: files and recordings to mono at 16 kHz, and two versions that play at the same place. */

export const RATE_HZ = 16000;

/** Decode a sound file of any format that the browser reads, to the rate of the codec. */
export async function readSound(data: ArrayBuffer): Promise<Float32Array<ArrayBuffer>> {
  const buffer = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(data);
  const mono = new Float32Array(buffer.length);
  for (let c = 0; c < buffer.numberOfChannels; c++) {
    buffer.getChannelData(c).forEach((x, n) => (mono[n]! += x / buffer.numberOfChannels));
  }
  return mono;
}

/** Records from the microphone; `stop` returns what was recorded. */
export class Recorder {
  private constructor(
    private readonly recorder: MediaRecorder,
    private readonly parts: Blob[],
  ) {}

  static async start(): Promise<Recorder> {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream, { audioBitsPerSecond: 256000 }); // its own codec is not to be heard
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    return new Recorder(recorder, parts);
  }

  async stop(): Promise<ArrayBuffer> {
    const stopped = new Promise((resolve) => (this.recorder.onstop = resolve));
    this.recorder.stop();
    this.recorder.stream.getTracks().forEach((track) => track.stop());
    await stopped;
    return new Blob(this.parts).arrayBuffer();
  }
}

/** Plays one of several versions of a sound; a change of version keeps the place. */
export class Player {
  private readonly context = new AudioContext();
  private source: AudioBufferSourceNode | undefined;
  private began = 0; // context time of the sound's first sample

  /** Play from the beginning, or from where the version before is. */
  play(samples: Float32Array<ArrayBuffer>): void {
    void this.context.resume();
    const place = this.source ? this.context.currentTime - this.began : 0;
    this.stop();
    const buffer = this.context.createBuffer(1, Math.max(samples.length, 1), RATE_HZ);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    source.onended = () => {
      if (this.source === source) this.source = undefined;
    };
    source.start(0, place);
    [this.source, this.began] = [source, this.context.currentTime - place];
  }

  stop(): void {
    const source = this.source;
    this.source = undefined;
    source?.stop();
  }
}

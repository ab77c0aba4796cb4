/** The page: takes a sound, has it coded by the worker, shows and plays original and result. */
import { Player, RATE_HZ, readSound, Recorder } from "./audio.js";
import { drawSpectrogram, drawWaveform } from "./draw.js";
import { element } from "./elements.js";
import type { Coded, Reply, Request } from "./messages.js";
import { PacketView } from "./packet-view.js";

const LONGEST_S = 60;
const SHORTEST_S = 0.02; // a packet

const canvas = (id: string): HTMLCanvasElement => element<HTMLCanvasElement>(id);
const status = element("status");
const input = element<HTMLInputElement>("file");
const record = element<HTMLButtonElement>("record");
const bitrate = element<HTMLSelectElement>("bitrate");
const loss = element<HTMLSelectElement>("loss");
const playOriginal = element<HTMLButtonElement>("play-original");
const playDecoded = element<HTMLButtonElement>("play-decoded");
const stop = element<HTMLButtonElement>("stop");
const download = element<HTMLAnchorElement>("download");

const worker = new Worker("worker.js", { type: "module" });
const player = new Player();
const packetView = new PacketView({
  bits: canvas("bits"),
  envelope: canvas("envelope"),
  timelines: [canvas("bits"), canvas("waveform-decoded"), canvas("spectrogram-decoded")],
  slider: element<HTMLInputElement>("packet"),
  text: element("packet-text"),
});
let original: Float32Array<ArrayBuffer> | undefined;
let decoded: Float32Array<ArrayBuffer> | undefined;
let wholeS = 0; // duration of the file, whose beginning is coded
let recorder: Recorder | undefined;
let waiting = 0; // requests without an answer

const say = (text: string): void => void (status.textContent = text);

/** Say which part of a long file is coded. */
function cut(): string {
  return wholeS > LONGEST_S ? ` the first ${LONGEST_S} of ${Math.ceil(wholeS)} seconds` : "";
}

function code(): void {
  if (!original) return;
  const request: Request = { samples: original, bitrateBps: Number(bitrate.value), loss: Number(loss.value) };
  waiting++;
  say(`Coding${cut()} …`);
  worker.postMessage(request);
}

async function take(data: Promise<ArrayBuffer>): Promise<void> {
  let sound: Float32Array<ArrayBuffer>;
  try {
    sound = await readSound(await data);
  } catch {
    say("The browser cannot read this file as sound.");
    return;
  }
  if (sound.length < SHORTEST_S * RATE_HZ) {
    say(`The sound has ${sound.length} samples at 16 kHz; a packet needs ${SHORTEST_S * RATE_HZ}.`);
    return;
  }
  player.stop();
  wholeS = sound.length / RATE_HZ;
  original = sound.slice(0, LONGEST_S * RATE_HZ);
  decoded = undefined;
  [playOriginal.disabled, playDecoded.disabled, stop.disabled] = [false, true, false];
  drawWaveform(canvas("waveform-original"), original);
  drawSpectrogram(canvas("spectrogram-original"), original);
  code();
}

function show(reply: Coded): void {
  decoded = reply.decoded;
  [playDecoded.disabled, download.hidden] = [false, false];
  drawWaveform(canvas("waveform-decoded"), decoded);
  drawSpectrogram(canvas("spectrogram-decoded"), decoded);
  packetView.show(reply);
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([reply.file]));
  const seconds = decoded.length / RATE_HZ;
  const kbps = (8 * reply.file.length) / seconds / 1000;
  const lost = reply.lost.filter(Boolean).length;
  const speed = (spent: number): string => (seconds / spent).toFixed(1);
  say(
    `${kbps.toFixed(1)} kbps, ${lost} of ${reply.bits.length} packets lost; encoded${cut()} ` +
      `${speed(reply.seconds.encode)} and decoded ${speed(reply.seconds.decode)} times faster than real time.`,
  );
}

worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
  if (reply.kind === "ready") {
    say("Ready: choose a file, drop one, or record.");
    return;
  }
  waiting--;
  if (reply.kind === "failed") say(`Failed: ${reply.text}`);
  else if (waiting === 0) show(reply);
};

playOriginal.onclick = () => original && player.play(original);
playDecoded.onclick = () => decoded && player.play(decoded);
stop.onclick = () => player.stop();
bitrate.onchange = code;
loss.onchange = code;
input.onchange = () => input.files?.[0] && void take(input.files[0].arrayBuffer());
// A file that is dropped beside the frame would replace the page.
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) void take(file.arrayBuffer());
};
record.onclick = async () => {
  if (recorder) {
    void take(recorder.stop());
    [recorder, record.textContent] = [undefined, "Record"];
    return;
  }
  try {
    recorder = await Recorder.start();
    record.textContent = "Stop recording";
  } catch {
    say("The browser gives no access to a microphone.");
  }
};

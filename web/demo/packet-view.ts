/** Shows one packet of a coded sound: its bits, its LPC envelope, and the decoded spectrum. */
import { RATE_HZ } from "./audio.js";
import { drawBits, drawEnvelope } from "./draw.js";
import { envelopeDb, peakHz, spectrumDb } from "./envelope.js";
import type { Coded } from "./messages.js";

const HOP = 320;
const SUBFRAME = 64;

export interface Pictures {
  readonly bits: HTMLCanvasElement;
  readonly envelope: HTMLCanvasElement;
  /** Pictures over time, at which one may point. */
  readonly timelines: readonly HTMLCanvasElement[];
  readonly slider: HTMLInputElement;
  readonly text: HTMLElement;
}

/** Follows the pointer and the slider. */
export class PacketView {
  private coded: Coded | undefined;

  constructor(private readonly on: Pictures) {
    on.slider.oninput = () => this.draw();
    for (const timeline of on.timelines) {
      timeline.onpointermove = ({ offsetX }) => this.choose(offsetX / timeline.clientWidth);
    }
  }

  /** Show another sound; the place stays, if it has one there. */
  show(coded: Coded): void {
    this.coded = coded;
    const { slider } = this.on;
    slider.max = String(coded.bits.length - 1);
    if (slider.disabled) slider.value = String(Math.floor(coded.bits.length / 2));
    slider.disabled = false;
    this.draw();
  }

  private choose(share: number): void {
    if (!this.coded) return;
    this.on.slider.value = String(Math.floor((share * this.coded.decoded.length) / HOP));
    this.draw();
  }

  private draw(): void {
    if (!this.coded) return;
    const { bits, lost, envelopes, decoded } = this.coded;
    const t = Number(this.on.slider.value);
    const envelope = envelopeDb(envelopes[t]!);
    drawBits(this.on.bits, bits, lost, t);
    drawEnvelope(this.on.envelope, spectrumDb(decoded, (t + 1) * HOP - SUBFRAME / 2), envelope);
    const size = lost[t] ? "lost" : `${bits[t]} bits`;
    const text = `Packet ${t + 1} of ${bits.length}, at ${((t * HOP) / RATE_HZ).toFixed(2)} s: ${size}; `;
    this.on.text.textContent = `${text}the envelope is highest at ${Math.round(peakHz(envelope, RATE_HZ))} Hz.`;
    this.on.slider.setAttribute("aria-valuetext", this.on.text.textContent);
  }
}

import type { Envelope } from "../src/index.js";

/** What the page asks of the worker. */
export interface Request {
  /** Mono, 16 kHz, in [-1, 1]. */
  readonly samples: Float32Array<ArrayBuffer>;
  readonly bitrateBps: number;
  /** Share of lost packets, 0 to 1. */
  readonly loss: number;
}

/** A coded sound. */
export type Coded = Extract<Reply, { kind: "coded" }>;

/** What the worker answers; first of all `ready`, then one answer per request. */
export type Reply =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly text: string }
  | {
      readonly kind: "coded";
      readonly decoded: Float32Array<ArrayBuffer>;
      readonly file: Uint8Array<ArrayBuffer>;
      /** Bits of each packet. */
      readonly bits: readonly number[];
      readonly lost: readonly boolean[];
      /** Of each packet, on the scale of the samples. */
      readonly envelopes: readonly Envelope[];
      readonly seconds: { readonly encode: number; readonly decode: number };
    };

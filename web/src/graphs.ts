import * as ort from "onnxruntime-web/wasm";

/** State of an encoder or decoder: tensors that go in and come out of every step. */
export type State = Readonly<Record<string, ort.Tensor>>;

export interface Result {
  readonly state: State;
  readonly outputs: Readonly<Record<string, ort.Tensor>>;
}

/** Returns the bytes of a file that `lpcnet-cq export --onnx` wrote, such as `decoder.onnx`. */
export type ReadGraph = (file: string) => Promise<Uint8Array>;

/** One step of coding: a graph of docs/onnx.md. */
export class Step {
  private constructor(private readonly session: ort.InferenceSession) {}

  /** Load a graph; load one after the other. It runs in the calling thread, so that one worker is one thread. */
  static async load(name: string, read: ReadGraph): Promise<Step> {
    ort.env.wasm.numThreads = 1;
    const options: ort.InferenceSession.SessionOptions = { executionProviders: ["wasm"], logSeverityLevel: 3 };
    return new Step(await ort.InferenceSession.create(await read(`${name}.onnx`), options));
  }

  /** Whether the graph has an input of this name. */
  has(input: string): boolean {
    return this.session.inputNames.includes(input);
  }

  /** Run the step; the entries of the state that the graph does not have stay as they are. */
  async run(state: State, inputs: State): Promise<Result> {
    const given = Object.entries({ ...state, ...inputs }).filter(([name]) => this.has(name));
    const outputs = await this.session.run(Object.fromEntries(given));
    const next = Object.entries(outputs).filter(([name]) => name.startsWith("next."));
    const after = next.map(([name, value]) => [`state.${name.slice(5)}`, value] as const);
    return { state: { ...state, ...Object.fromEntries(after) }, outputs };
  }
}

export function int32(values: Int32Array, shape: number[] = [values.length]): ort.Tensor {
  return new ort.Tensor("int32", values, shape);
}

export function float32(values: Float32Array): ort.Tensor {
  return new ort.Tensor("float32", values, [values.length]);
}

export function float64(values: Float64Array): ort.Tensor {
  return new ort.Tensor("float64", values, [values.length]);
}

/** The networks, which onnxruntime-web runs. A map is {data, channels, side}, an image {data: Float32Array of 3 * R * R} in [-1, 1]. */

import { mirrored } from "./composing.js";

const THREADS = 4; // more give nothing at these sizes
const ERRORS = 3; // the level of the log: warnings are of what is as it should be

/** A device that computes, and the runtime's build for it. */
const DEVICES = {
  webgpu: { build: "jspi", providers: ["webgpu"] },
  wasm: { build: "wasm", providers: ["wasm"] },
};

async function hasGpu() {
  if (!navigator.gpu || !("Suspending" in WebAssembly)) return false;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
}

/** The devices to try, the fastest first; ``wanted`` is one by name. */
export async function devices(wanted) {
  if (wanted in DEVICES) return [wanted];
  return (await hasGpu()) ? ["webgpu", "wasm"] : ["wasm"];
}

export class Model {
  #sessions = {};

  /**
   * @param {object} about what the site says of its model
   * @param {string} device one of `devices`
   * @param {(path: string) => Promise<ArrayBuffer>} read a file of the site
   */
  static async load(about, device, read) {
    const model = new Model();
    const { build, providers } = DEVICES[device];
    const names = about.runtime[build];
    const ort = await import(new URL(`runtime/${names.module}`, import.meta.url));
    Object.assign(ort.env.wasm, {
      wasmPaths: { mjs: new URL(`runtime/${names.loader}`, import.meta.url).href },
      wasmBinary: await read(`local/runtime/${names.binary}`),
      numThreads: self.crossOriginIsolated ? Math.min(THREADS, navigator.hardwareConcurrency) : 1,
    });
    for (const name of about.graphs) {
      model.#sessions[name] = await ort.InferenceSession.create(await read(`model/${name}.onnx`), { executionProviders: providers, logSeverityLevel: ERRORS });
    }
    return Object.assign(model, { ort, about, device, side: about.config.resolution });
  }

  get knowsParts() {
    return "parts" in this.#sessions;
  }

  /** Frees what the networks hold. */
  async release() {
    await Promise.all(Object.values(this.#sessions).map((session) => session.release()));
  }

  async #run(name, inputs) {
    const tensors = Object.entries(inputs).map(([key, { data, channels, side }]) => [key, new this.ort.Tensor("float32", data, [1, channels, side, side])]);
    const session = this.#sessions[name];
    const outputs = await session.run(Object.fromEntries(tensors));
    return session.outputNames.map((key) => {
      const { data, dims } = outputs[key];
      return { data, channels: dims[1], side: dims[2] };
    });
  }

  async encode(image) {
    return (await this.#run("encoder", { image }))[0];
  }

  /** The stylemap of the mirrored image. */
  encodeMirrored(image) {
    return this.encode(mirrored(image));
  }

  resize(stylemap) {
    return this.#run("resizer", { stylemap });
  }

  async render(maps) {
    return (await this.#run("render", Object.fromEntries(maps.map((map, i) => [`style_${i}`, map]))))[0];
  }

  /** The part of each pixel. */
  async parts(image, stylemap) {
    const [{ data, channels, side }] = await this.#run("parts", { image, stylemap });
    return new Uint8Array(side * side).map((_, i) => {
      let best = 0;
      for (let c = 1; c < channels; c += 1) if (data[c * side * side + i] > data[best * side * side + i]) best = c;
      return best;
    });
  }
}

/** Bytes of RGB, side by side -> an image. */
export function toImage(pixels, side) {
  const data = new Float32Array(3 * side * side);
  for (let i = 0; i < side * side; i += 1) for (let c = 0; c < 3; c += 1) data[c * side * side + i] = pixels[3 * i + c] / 127.5 - 1;
  return { data, channels: 3, side };
}

/** An image -> bytes of RGB, side by side. */
export function toPixels({ data, side }) {
  const pixels = new Uint8ClampedArray(3 * side * side);
  for (let i = 0; i < side * side; i += 1) for (let c = 0; c < 3; c += 1) pixels[3 * i + c] = Math.round((data[c * side * side + i] + 1) * 127.5);
  return pixels;
}

/** The mean squared error of an image that is clipped to what can be seen. */
export function errorOf(drawn, image) {
  const sum = drawn.data.reduce((total, value, i) => total + (Math.min(1, Math.max(-1, value)) - image.data[i]) ** 2, 0);
  return sum / image.data.length;
}

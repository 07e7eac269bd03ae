/** The thread of the site that answers the page: the networks, photos and edits are here, and nothing leaves the machine. */

import { Answers } from "./answers.js";
import { Model, devices, errorOf, toImage } from "./model.js";
import { Pasting } from "./pasting.js";
import { decode } from "./photo.js";
import { Studio } from "./studio.js";
import { ofFile } from "./tensors.js";

const ROOT = new URL("..", import.meta.url);
const SAME = 0.02; // of a reconstruction's error: so near another device comes to PyTorch's
const LARGE = 4096; // pixels a side; some browsers have no larger canvas
const MOST_PIXELS = 50e6;
const [FIRST_MS, SLOW_MS] = [30_000, 500]; // of a GPU: for the first face, and for another
const GZIP = [0x1f, 0x8b];

let loaded = 0;

/** A file of the site cannot be had. */
class Missing extends Error {}

/** @throws {Missing} */
async function fetched(path) {
  let response;
  try {
    response = await fetch(new URL(path, ROOT));
  } catch {
    throw new Missing(`The file ${path} does not arrive. Look at your network, and reload the page.`);
  }
  if (!response.ok) throw new Missing(`The site lacks ${path} (${response.status}). Copy all of it to the host again.`);
  return response;
}

/** The bytes of a file of the site. Those of WebAssembly are packed by gzip, and some hosts unpack such files on the way. */
async function read(path, total) {
  const response = await fetched(path);
  const counted = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      postMessage({ loaded: Math.min(loaded, total), total });
      controller.enqueue(chunk);
    },
  });
  const bytes = await new Response(response.body.pipeThrough(counted)).arrayBuffer();
  const [first, second] = new Uint8Array(bytes, 0, 2);
  if (first !== GZIP[0] || second !== GZIP[1]) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

const blobOf = async (path) => (await fetched(path)).blob();

async function mostPixels() {
  const canvas = new OffscreenCanvas(LARGE + 1, LARGE);
  const context = canvas.getContext("2d");
  context.fillRect(LARGE, LARGE - 1, 1, 1);
  return context.getImageData(LARGE, LARGE - 1, 1, 1).data[3] === 255 ? MOST_PIXELS : LARGE * LARGE;
}

/** Refuses a device that draws a face otherwise than PyTorch did, or takes long; drivers of GPUs have faults. */
async function probe(model, about) {
  const { data } = await decode(await blobOf("api/gallery/0.png"), MOST_PIXELS);
  const image = toImage(data.filter((_, i) => i % 4 < 3), model.side);
  const draw = async () => errorOf(await model.render(await model.resize(await model.encode(image))), image);
  const error = await draw(); // the first is slow: a GPU makes its programs then
  if (!(Math.abs(error - about.error) <= SAME * about.error)) throw new Error("it draws other pictures than it should");
  if (model.device === "wasm") return;
  const began = performance.now();
  await draw();
  if (performance.now() - began > SLOW_MS) throw new Error("it is slow");
}

const tooLong = (ms) => new Promise((_, reject) => setTimeout(() => reject(new Error("it does not answer")), ms));

async function load(about, wanted) {
  const faults = [];
  for (const device of await devices(wanted)) {
    let model = null;
    try {
      model = await Model.load(about, device, (path) => read(path, about.bytes));
      await (device === "wasm" ? probe(model, about) : Promise.race([probe(model, about), tooLong(FIRST_MS)]));
      return model;
    } catch (error) {
      if (error instanceof Missing) throw error;
      model?.release().catch(() => {}); // it may still compute
      faults.push(`${device}: ${error.message}`);
    }
  }
  throw new Error(`This browser cannot run the networks (${faults.join("; ")}).`);
}

async function begin() {
  const about = await (await fetched("site.json")).json();
  const model = await load(about, new URL(self.location).searchParams.get("device"));
  postMessage({ device: model.device });
  const directions = {};
  if (about.directions) {
    const { metadata, tensors } = ofFile(await (await blobOf("model/directions.safetensors")).arrayBuffer(), "the directions are damaged");
    for (const [name, { scale }] of Object.entries(JSON.parse(metadata.directions))) {
      const { shape, data } = tensors[name];
      directions[name] = { vector: data, shape, scale };
    }
  }
  const studio = new Studio(model, new Pasting(about.pasting), directions, about.known);
  return new Answers(about, studio, blobOf, await mostPixels());
}

const answers = begin();
answers.catch(() => {}); // each request is told
let turn = Promise.resolve(); // one request after the other

self.onmessage = ({ data: { id, ...request } }) => {
  turn = turn.then(async () => {
    try {
      postMessage({ id, ...(await (await answers).answer(request)) });
    } catch (error) {
      postMessage({ id, status: 500, body: JSON.stringify({ error: error.message }), headers: {} });
    }
  });
};

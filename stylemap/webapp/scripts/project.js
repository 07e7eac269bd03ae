/** Project files, as `stylemap/project.py` writes and reads them: both open what the other saved. */

import { levelsOf, toText } from "./masks.js";
import { central } from "./pasting.js";
import { Refusal } from "./refusal.js";
import { check } from "./schema.js";
import { ofFile, toFile } from "./tensors.js";

const FORMAT = "stylemap-project-1";
const OTHER_KIND = "this is not a project file; choose one that the editor saved";
const KINDS = ["patches", "pushes"];
const FARTHEST = 1 << 20; // pixels of an upload
const LARGEST = 1e4; // of a number in a stylemap

/**
 * @param {object} edit as the page sends it, complete
 * @param {Map} photos by slot
 * @param {object} about what the site says of its model
 */
export async function write(edit, photos, page, about, directions) {
  const side = about.config.resolution;
  const tensors = {};
  for (const [slot, { pixels, stylemap, labels }] of photos) {
    const { data, channels, side: cells } = stylemap;
    tensors[`pictures.${slot}.photo`] = { shape: [side, side, 3], data: new Uint8Array(pixels) };
    tensors[`pictures.${slot}.stylemap`] = { shape: [1, channels, cells, cells], data };
    if (labels) tensors[`pictures.${slot}.labels`] = { shape: [side, side], data: labels };
  }
  const { source, width, height, alignment } = photos.get("original") ?? {};
  if (source) {
    const data = new Uint8Array(await source.arrayBuffer());
    tensors.upload = { shape: [data.length], data };
  }
  const upload = source ? { size: [width, height], corner: alignment.corner, edge: alignment.edge, aligned: false } : null;
  const steps = {};
  for (const kind of KINDS) {
    steps[kind] = [];
    for (const [i, { mask, ...step }] of edit[kind].entries()) {
      if (mask !== null) tensors[`${kind}.${i}.mask`] = { shape: [side, side], data: await levelsOf(mask, side) };
      if (kind === "pushes") {
        const { vector, shape, scale } = directions[step.direction];
        tensors[`${kind}.${i}.vector`] = { shape, data: vector };
        step.scale = scale;
      }
      steps[kind].push(step);
    }
  }
  const { weights, fingerprint, config: model } = about;
  const header = { weights, fingerprint, model, upload, space: edit.space, ...steps, keep_detail: edit.keep_detail, page };
  return toFile(tensors, { format: FORMAT, project: JSON.stringify(header) });
}

/**
 * @returns {Promise<{edit: object, page: object, photos: Map}>} photos as `Studio.encode` takes them, each with its stylemap
 * @throws {Refusal} another kind of file, other weights, or what this page cannot do
 */
export async function read(buffer, about, directions) {
  const { metadata, tensors } = ofFile(buffer, OTHER_KIND);
  if (metadata.format !== FORMAT) throw new Refusal(422, OTHER_KIND);
  try {
    return await opened(JSON.parse(metadata.project), tensors, about, directions);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(422, `the project is damaged (${error.message}); save it again`);
  }
}

async function opened(header, tensors, about, directions) {
  const side = about.config.resolution;
  if (header.fingerprint !== about.fingerprint) throw new Refusal(422, `the project needs other weights, '${header.weights}'`);
  if (Object.keys(tensors).some((name) => name.startsWith("fit."))) {
    throw new Refusal(422, "the project has weights that were fitted to its photo; only the installed editor can use them");
  }
  const take = (name, count, Type = Uint8Array) => {
    const { data } = tensors[name] ?? {};
    if (!(data instanceof Type) || data.length !== count) throw new Error(`${name} is missing, or of another type or size`);
    if (!data.every((value) => Math.abs(value) <= LARGEST)) throw new Error(`${name} holds what no network makes`);
    return data;
  };
  const { stylemap_size: cells } = about.config;
  const channels = about.channels;
  const photos = new Map();
  for (const slot of ["original", ...Array(about.info.references).keys()].map(String)) {
    const name = `pictures.${slot}`;
    if (!(`${name}.photo` in tensors)) continue;
    const pixels = new Uint8ClampedArray(take(`${name}.photo`, 3 * side * side));
    const labels = `${name}.labels` in tensors ? take(`${name}.labels`, side * side) : null;
    const data = take(`${name}.stylemap`, channels * cells * cells, Float32Array);
    const { size: [width, height], corner, edge } = (slot === "original" && header.upload) || { size: [side, side], ...central(side, side, side) };
    const source = slot === "original" && header.upload ? new Blob([tensors.upload.data]) : null;
    const photo = { pixels, labels, source, width, height, alignment: { corner, edge, side } };
    photos.set(slot, { photo, stylemap: { data, channels, side: cells } });
  }
  const steps = {};
  for (const kind of KINDS) {
    steps[kind] = [];
    for (const [i, { scale, ...step }] of header[kind].entries()) {
      const name = `${kind}.${i}`;
      if (kind === "pushes") checkDirection(directions[step.direction], take(`${name}.vector`, channels * cells * cells, Float32Array), scale, step.direction);
      const mask = `${name}.mask` in tensors ? await toText(take(`${name}.mask`, side * side), side) : null;
      steps[kind].push({ ...step, ...(kind === "patches" && { scale }), mask });
    }
  }
  const edit = { space: header.space, ...steps, keep_detail: header.keep_detail ?? false };
  check(edit, about.info.edit, "edit");
  if (header.upload && !isPlace(header.upload)) throw new Error("the upload lies nowhere");
  return { edit, page: header.page ?? {}, photos };
}

/** Whether an upload has a size, and a square that lies somewhere. */
function isPlace({ size, corner, edge }) {
  const isPair = (pair, least, most) => pair?.length === 2 && pair.every((value) => Number.isFinite(value) && value >= least && value <= most);
  return isPair(size, 1, FARTHEST) && isPair(corner, -FARTHEST, FARTHEST) && isPair(edge, -FARTHEST, FARTHEST) && Math.hypot(...edge) >= 1;
}

function checkDirection(here, vector, scale, name) {
  if (here?.scale === scale && vector.every((value, i) => value === here.vector[i])) return;
  throw new Refusal(422, `the project uses a direction '${String(name).slice(0, 40)}' that this site does not have`);
}

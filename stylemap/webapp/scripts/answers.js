/** Answers what the page asks, as the server of the editor does: docs/editor.md has the table of paths. */

import { encode, enlarged, alignmentOf, asCrop, decode, opaque, square } from "./photo.js";
import { compose as beforeAndAfter } from "./before_after.js";
import { greyOf, levelsOf, toGrey, toMask } from "./masks.js";
import { central } from "./pasting.js";
import { Refusal } from "./refusal.js";
import * as project from "./project.js";

const SESSION = "/api/sessions/here"; // there is one
const PICTURE = `${SESSION}/pictures/(original|\\d)`;
const NO_FITS = "this page cannot fit weights; the installed editor can";

export class Answers {
  #photos = new Map();

  /** @param {(path: string) => Promise<Blob>} read a file of the site */
  constructor(about, studio, read, mostPixels) {
    Object.assign(this, { about, studio, read, mostPixels, side: studio.side });
    this.routes = [
      ["GET", "/api/info", () => this.#info()],
      ["POST", "/api/sessions", () => this.#begin()],
      ["DELETE", SESSION, () => this.#end()],
      ["PUT", PICTURE, (request) => this.#put(request)],
      ["DELETE", PICTURE, ({ slot }) => this.#remove(slot)],
      ["GET", `${PICTURE}\\.png`, (request) => this.#show(request)],
      ["GET", `${PICTURE}/parts\\.png`, ({ slot }) => this.#parts(slot)],
      ["GET", `${PICTURE}/file`, ({ slot }) => this.#file(slot)],
      ["PUT", `${PICTURE}/fit`, () => refuse(NO_FITS)],
      ["POST", `${SESSION}/fit`, () => refuse(NO_FITS)],
      ["POST", `${SESSION}/look`, (request) => this.#look(request)],
      ["POST", `${SESSION}/render`, (request) => this.#render(request)],
      ["POST", `${SESSION}/save`, (request) => this.#save(request)],
      ["POST", `${SESSION}/project`, (request) => this.#saveProject(request)],
      ["PUT", `${SESSION}/project`, (request) => this.#openProject(request)],
    ].map(([method, path, answer]) => [method, new RegExp(`^${path}$`), answer]);
  }

  /**
   * @param {{method: string, path: string, body: Blob | string | undefined}} request
   * @returns {Promise<{status: number, body: Blob | string | null, headers: Record<string, string>}>}
   */
  async answer({ method, path, body }) {
    const address = new URL(path, "http://here/");
    for (const [itsMethod, pattern, answer] of this.routes) {
      const match = itsMethod === method && pattern.exec(address.pathname);
      if (match) return this.#answered(() => answer({ slot: match[1], query: address.searchParams, body }));
    }
    return told(404, "there is no such address");
  }

  async #answered(answer) {
    try {
      const result = await answer();
      if (result === null) return { status: 204, body: null, headers: {} };
      if (result instanceof Blob) return { status: 200, body: result, headers: {} };
      if (result.file) return { status: 200, body: result.file, headers: result.headers };
      return { status: 200, body: JSON.stringify(result), headers: { "content-type": "application/json" } };
    } catch (error) {
      if (error instanceof Refusal) return told(error.status, error.message);
      console.error(error);
      return told(500, `something went wrong in this page: ${error.message}`);
    }
  }

  #info() {
    const { info } = this.about;
    return { ...info, limits: { ...info.limits, pixels: this.mostPixels } };
  }

  #begin() {
    this.#photos.clear();
    return { id: "here", expires_s: 1e9, model: this.about.fingerprint };
  }

  #end() {
    this.#photos.clear();
    return null;
  }

  // ---- photos

  async #put({ slot, query, body }) {
    const photo = body instanceof Blob ? await this.#opened(body, query) : await this.#ofGallery(JSON.parse(body).gallery);
    if (slot !== "original") photo.source = null; // an edit goes back into the original alone
    const encoded = await this.studio.encode(photo);
    this.#photos.set(slot, encoded);
    return this.studio.facts(slot, encoded, asCrop);
  }

  async #opened(file, query) {
    const photo = await decode(file, this.mostPixels);
    const { width, height } = photo;
    const alignment = alignmentOf(query, width, height, this.side);
    return { pixels: square(photo, alignment), source: file, width, height, alignment, labels: null };
  }

  async #ofGallery(index) {
    const { side } = this;
    const drawn = await decode(await this.read(`api/gallery/${index}.png`), this.mostPixels);
    const alignment = central(side, side, side);
    const labels = this.about.labelled ? await greyOf(await this.read(`api/gallery/${index}.parts.png`), side) : null;
    return { pixels: square(drawn, alignment), source: null, width: side, height: side, alignment, labels };
  }

  #remove(slot) {
    this.#photos.delete(slot);
    return null;
  }

  #photo(slot) {
    const photo = this.#photos.get(slot);
    if (!photo) throw new Refusal(404, "this slot has no image yet");
    return photo;
  }

  #show({ slot, query }) {
    const photo = this.#photo(slot);
    if (query.get("view") === "errors") return toGrey(this.studio.errors(photo), this.side);
    return this.#png(opaque(query.get("view") === "reconstruction" ? photo.reconstruction : photo.pixels));
  }

  /** @param {Uint8ClampedArray} data RGBA of the model's side */
  #png(data) {
    return encode({ data, width: this.side, height: this.side });
  }

  #parts(slot) {
    const { labels } = this.#photo(slot);
    if (!labels) throw new Refusal(404, "the parts of this image are not known");
    return toGrey(labels, this.side);
  }

  #file(slot) {
    const { source } = this.#photo(slot);
    if (!source) throw new Refusal(404, "this image has no file of its own");
    return source;
  }

  async #look({ body }) {
    const { width, height } = await decode(body, this.mostPixels);
    return { width, height, faces: [] };
  }

  // ---- edits

  /** An edit with a value for everything, and the rest of the request. */
  #read(body) {
    const { properties } = this.about.info.edit;
    const { space, patches, pushes, keep_detail, ...rest } = JSON.parse(body);
    const complete = (kind, step) => {
      const fields = Object.entries(properties[kind].items.properties).filter(([, field]) => "default" in field);
      return { ...Object.fromEntries(fields.map(([name, field]) => [name, field.default])), ...step };
    };
    const edit = { space, keep_detail, patches: patches.map((step) => complete("patches", step)), pushes: pushes.map((step) => complete("pushes", step)) };
    return { edit, rest };
  }

  async #apply(edit, how) {
    const withMask = async (step) => ({ ...step, mask: step.mask === null ? null : toMask(await levelsOf(step.mask, this.side)) });
    const [patches, pushes] = await Promise.all([edit.patches, edit.pushes].map((steps) => Promise.all(steps.map(withMask))));
    return this.studio.apply({ ...edit, patches, pushes }, this.#photos, how);
  }

  /** The square of an edit as one sees it, RGBA. */
  #drawn(edited) {
    return edited.region ? this.studio.inSquare(this.#photo("original"), edited) : opaque(edited.pixels);
  }

  async #render({ body }) {
    const began = performance.now();
    const edited = await this.#apply(this.#read(body).edit, "none");
    return { file: await this.#png(this.#drawn(edited)), headers: { "x-milliseconds": (performance.now() - began).toFixed(1) } };
  }

  async #save({ body }) {
    const { edit, rest } = this.#read(body);
    const { paste_back: how = "none", enlarge, before_after: layout = "none", labels = false, format = "png", quality } = rest;
    const edited = await this.#apply(edit, how);
    const photo = this.#photo("original");
    let before, after;
    if (how === "none") {
      const times = enlarge ?? Math.max(1, Math.ceil(this.about.info.seen / this.side));
      [before, after] = [opaque(photo.pixels), this.#drawn(edited)].map((data) => enlarged({ data, width: this.side, height: this.side }, times));
    } else {
      before = photo.source ? await decode(photo.source, this.mostPixels) : { data: opaque(photo.pixels), width: this.side, height: this.side };
      const [image, drawn] = [photo.pixels, edited.pixels].map((pixels) => Float32Array.from(pixels));
      const data = this.studio.pasting.paste(before, image, drawn, photo.alignment, edited.region, how, edited.sources);
      after = { data, width: before.width, height: before.height };
    }
    return layout === "none" ? encode(after, format, quality) : beforeAndAfter(before, after, layout, labels, format, quality);
  }

  async #saveProject({ body }) {
    const { edit, rest } = this.#read(body);
    return project.write(edit, this.#photos, rest.page ?? {}, this.about, this.studio.directions);
  }

  async #openProject({ body }) {
    const { edit, page, photos } = await project.read(await body.arrayBuffer(), this.about, this.studio.directions);
    const encoded = new Map();
    for (const [slot, { photo, stylemap }] of photos) encoded.set(slot, await this.studio.encode(photo, stylemap));
    this.#photos = encoded;
    const pictures = Object.fromEntries([...encoded].map(([slot, photo]) => [slot, this.studio.facts(slot, photo, asCrop)]));
    return { edit, page, pictures };
  }
}

function refuse(message) {
  throw new Refusal(422, message);
}

function told(status, message) {
  return { status, body: JSON.stringify({ error: message }), headers: { "content-type": "application/json" } };
}

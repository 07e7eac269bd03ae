/** Photos and their edits, as `stylemap/editor/studio.py` and `stylemap/editing/applying.py` make them. */

import { compose, everywhere, mirrored, region } from "./composing.js";
import { errorOf, toImage, toPixels } from "./model.js";
import { central } from "./pasting.js";
import { opaque } from "./photo.js";
import { blurred } from "./pixels.js";
import { Refusal } from "./refusal.js";

export class Studio {
  /**
   * @param {Model} model
   * @param {Record<string, {vector: Float32Array, scale: number}>} directions
   * @param {object | null} known how well the weights draw images like their training images; null: that is not known
   */
  constructor(model, pasting, directions, known) {
    Object.assign(this, { model, pasting, directions, known, side: model.side });
  }

  /**
   * A photo and what the model makes of it. It never changes.
   * @param {{pixels: Uint8ClampedArray, source: Blob | null, width: number, height: number, alignment: object, labels: Uint8Array | null}} photo
   */
  async encode(photo, given = null) {
    const image = toImage(photo.pixels, this.side);
    const stylemap = given ?? (await this.model.encode(image));
    const maps = await this.model.resize(stylemap);
    const drawn = await this.model.render(maps);
    const labels = photo.labels ?? (this.model.knowsParts ? await this.model.parts(image, stylemap) : null);
    return { ...photo, image, stylemap, maps, mse: errorOf(drawn, image), reconstruction: toPixels(drawn), labels };
  }

  /** What the page shows of a photo. */
  facts(slot, photo, asCrop) {
    const { width, height, mse, labels, alignment } = photo;
    const psnr = mse > 0 ? Math.min(99, 10 * Math.log10(4 / mse)) : 99;
    const about = { slot, width, height, mse, psnr, parts: labels !== null, aligned: false, fitted: false, crop: asCrop(alignment), faces: null };
    return { ...about, ...this.#familiarity(mse) };
  }

  #familiarity(mse) {
    if (!this.known) return { word: null, remark: null };
    const { weights, usual, of, limits, words, well, draws_little } = this.known;
    const place = limits.findIndex((most) => mse <= most);
    const word = words.at(place);
    if (place >= 0) return { word, remark: null };
    if (well === null || mse <= well * usual) return { word, remark: draws_little };
    const times = `the error of its reconstruction is ${(mse / usual).toFixed(1)} times that of ${of}`;
    return { word, remark: `${weights} cannot draw this image well: ${times}; results will not look like it` };
  }

  /** From 128 on the weights draw a place badly. */
  errors({ pixels, reconstruction }) {
    const { side } = this;
    const result = new Uint8Array(side * side);
    if (!this.known) return result;
    const { badly, around } = this.known;
    const squares = new Float32Array(side * side).map((_, i) => {
      return [0, 1, 2].reduce((sum, c) => sum + ((pixels[3 * i + c] - reconstruction[3 * i + c]) / 127.5) ** 2, 0) / 3;
    });
    const soft = blurred(squares, side, side, 1, around * side);
    return result.map((_, i) => Math.min(255, (128 * soft[i]) / badly));
  }

  /**
   * The picture of an edit, and what putting it back into its photo needs.
   * @param {object} edit its masks decoded
   * @param {Map} photos by slot
   * @param {"none" | "feather" | "poisson"} how
   * @returns {Promise<{pixels: Uint8ClampedArray, region: Float32Array | null, sources: object[]}>}
   */
  async apply(edit, photos, how) {
    const original = photos.get("original");
    if (!original) throw new Refusal(409, "choose an image to edit first");
    const start = edit.space === "w" ? [original.stylemap] : original.maps;
    const changes = [];
    for (const patch of edit.patches) {
      const reference = photos.get(String(patch.reference));
      if (!reference) throw new Refusal(409, `reference ${patch.reference + 1} is empty; choose an image for it`);
      changes.push({ step: patch, maps: await this.#taken(reference, patch.flip, edit.space), adds: false });
    }
    for (const push of edit.pushes) changes.push({ step: push, maps: await this.#added(original, push, start, edit.space), adds: true });
    const picture = async (some) => {
      if (some.length === 0) return original.reconstruction;
      const maps = compose(start, some, this.side);
      return toPixels(await this.model.render(edit.space === "w" ? await this.model.resize(maps[0]) : maps));
    };
    const pixels = await picture(changes);
    const made = how === "none" && edit.keep_detail ? "feather" : how;
    if (made === "none") return { pixels, region: null, sources: [] };
    return { pixels, ...(await this.#paste(changes, start, pixels, picture, made)) };
  }

  async #paste(changes, start, pixels, picture, how) {
    const { side } = this;
    const placed = changes.filter(({ step }) => step.mask !== null);
    const sides = start.map((map) => map.side);
    let where = region(placed, sides, side);
    if (placed.length < changes.length) {
      // a change without a mask may show anywhere, but mostly shows in a few places
      const changed = this.pasting.changed(await picture(placed), pixels, side);
      where = where.map((value, i) => Math.max(value, changed[i]));
    }
    const sources = [];
    for (const [i, change] of changes.entries()) {
      if (how !== "poisson" || change.adds) continue;
      const image = await picture([{ ...change, step: everywhere(change.step, side) }]);
      const inside = region([change], sides, side).map((value) => Number(value > this.pasting.constants.SURE));
      const [before, after] = [await picture(changes.slice(0, i)), await picture(changes.slice(0, i + 1))];
      sources.push({ image, inside, share: this.pasting.share(before, after, image, side) });
    }
    return { region: where, sources };
  }

  /** The edit in the square that the model sees: elsewhere it has the pixels of the photo, not those of its reconstruction. */
  inSquare(photo, { pixels, region: where }) {
    const { side } = this;
    const picture = { data: opaque(photo.pixels), width: side, height: side };
    return this.pasting.paste(picture, Float32Array.from(photo.pixels), Float32Array.from(pixels), central(side, side, side), where, "feather", []);
  }

  /** The maps that a patch takes from. A mirrored part takes those of the mirrored image, mirrored to lie as its mask does. */
  async #taken(reference, flip, space) {
    if (!flip) return space === "w" ? [reference.stylemap] : reference.maps;
    reference.mirrored ??= await this.model.encodeMirrored(reference.image);
    const maps = space === "w" ? [reference.mirrored] : (reference.mirroredMaps ??= await this.model.resize(reference.mirrored));
    return maps.map(mirrored);
  }

  /** What a push adds to the maps of the original. */
  async #added(original, { direction, amount, cells }, start, space) {
    const { vector, scale } = this.directions[direction];
    const { data, side } = original.stylemap;
    const [top, left, height, width] = cells ?? [0, 0, side, side];
    const moved = data.map((value, i) => {
      const [y, x] = [Math.floor(i / side) % side, i % side];
      const isInside = y >= top && y < top + height && x >= left && x < left + width;
      return isInside ? value + amount * scale * vector[i] : value;
    });
    const map = { ...original.stylemap, data: moved };
    const maps = space === "w" ? [map] : await this.model.resize(map);
    return maps.map((other, k) => ({ ...other, data: other.data.map((value, i) => value - start[k].data[i]) }));
  }
}

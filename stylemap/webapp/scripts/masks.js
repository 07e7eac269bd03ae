/** Masks and label maps as the page sends and takes them: grey PNGs. */

import { Refusal } from "./refusal.js";
import { encode } from "./photo.js";

const KEPT = 16;
const decoded = new Map(); // text -> mask: most do not change while one is painted

/** Base64 of a grey PNG -> Uint8Array of side * side. */
export async function levelsOf(text, side) {
  const known = decoded.get(text);
  if (known) return known;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const levels = await greyOf(new Blob([bytes], { type: "image/png" }), side);
  if (decoded.size >= KEPT) decoded.delete(decoded.keys().next().value);
  decoded.set(text, levels);
  return levels;
}

/** A grey picture -> Uint8Array of side * side. */
export async function greyOf(blob, side) {
  const bitmap = await createImageBitmap(blob);
  if (bitmap.width !== side || bitmap.height !== side) throw new Refusal(422, `a mask must be ${side} x ${side} pixels`);
  const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, side, side);
  return new Uint8Array(side * side).map((_, i) => data[4 * i]);
}

export const toMask = (levels) => Float32Array.from(levels, (level) => level / 255);

/** Levels -> a grey PNG. */
export function toGrey(levels, side) {
  const data = new Uint8ClampedArray(4 * side * side);
  levels.forEach((level, i) => data.set([level, level, level, 255], 4 * i));
  return encode({ data, width: side, height: side });
}

/** Levels -> base64 of a grey PNG. */
export async function toText(levels, side) {
  const bytes = new Uint8Array(await (await toGrey(levels, side)).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

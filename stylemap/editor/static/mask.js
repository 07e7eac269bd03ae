/**
 * Masks: Uint8Array of side * side values, 0 ... 255, row by row. Never changed once made, so that undo can share them.
 * Positions are in pixels of the picture, and pixel (x, y) covers x ... x + 1: its middle is at x + 0.5.
 */

const SOLID = 128; // from here on a pixel counts as taken
const emptiness = new WeakMap(); // mask -> boolean
const encoded = new WeakMap(); // mask -> its PNG: the others do not change while one is painted

export const emptyMask = (side) => new Uint8Array(side * side);

export function isEmpty(mask) {
  if (mask === null) return true;
  if (!emptiness.has(mask)) emptiness.set(mask, mask.every((value) => value === 0));
  return emptiness.get(mask);
}

/**
 * A stroke of a round brush from one point to another.
 * @param {{radius: number, softness: number, erase: boolean}} brush softness: the share of the radius that fades out
 */
export function paintStroke(mask, side, from, to, brush) {
  const edge = Math.max(1, brush.radius * brush.softness);
  const reach = brush.radius + 1;
  const box = {
    left: Math.min(from.x, to.x) - reach,
    right: Math.max(from.x, to.x) + reach,
    top: Math.min(from.y, to.y) - reach,
    bottom: Math.max(from.y, to.y) + reach,
  };
  // The strongest stamp counts, not the sum: going over a place again does not harden its edge.
  return painted(mask, side, box, brush.erase, (x, y) =>
    smooth((brush.radius + 0.5 - distanceToSegment(x, y, from, to)) / edge),
  );
}

/** A rectangle between two corners; its edges are antialiased. */
export function paintBox(mask, side, from, to, erase) {
  const box = {
    left: Math.min(from.x, to.x),
    right: Math.max(from.x, to.x),
    top: Math.min(from.y, to.y),
    bottom: Math.max(from.y, to.y),
  };
  const covered = (middle, low, high) => clamp(Math.min(middle + 0.5, high) - Math.max(middle - 0.5, low));
  return painted(
    mask,
    side,
    box,
    erase,
    (x, y) => covered(x, box.left, box.right) * covered(y, box.top, box.bottom),
  );
}

/** Adds the pixels whose label is one of ids, or takes them away when most of them are in already. */
export function togglePart(mask, labels, ids, mode = "toggle") {
  const pixels = [];
  labels.forEach((label, i) => ids.includes(label) && pixels.push(i));
  const taken = pixels.filter((i) => mask[i] >= SOLID).length;
  const erase = mode === "erase" || (mode === "toggle" && taken * 2 > pixels.length);
  const result = mask.slice();
  for (const i of pixels) result[i] = erase ? 0 : 255;
  return result;
}

/** Which parts a mask holds most of: label -> [pixels, pixels that are taken]; one pass, for it runs while one paints. */
export function countLabels(mask, labels) {
  const counts = Array.from({ length: 256 }, () => [0, 0]);
  for (let i = 0; i < labels.length; i += 1) {
    const count = counts[labels[i]];
    count[0] += 1;
    if (mask !== null && mask[i] >= SOLID) count[1] += 1;
  }
  return counts;
}

/** The box around what is taken, in pixels, or null. */
export function boundsOf(mask, side) {
  let [left, top, right, bottom] = [side, side, 0, 0];
  mask.forEach((value, i) => {
    if (value < SOLID) return;
    const x = i % side;
    const y = Math.floor(i / side);
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
  });
  return right > left ? { left, top, right, bottom } : null;
}

/**
 * A mask over another square of the same photo; what lies outside of the old one is empty.
 * @param {DOMMatrix} matrix from pixels of this mask to those of the result
 */
export function warped(mask, side, matrix) {
  const { a, b, c, d, e, f } = matrix.inverse();
  const at = (x, y) => (x < 0 || y < 0 || x >= side || y >= side ? 0 : mask[y * side + x]);
  const result = emptyMask(side);
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const x = a * (column + 0.5) + c * (row + 0.5) + e - 0.5;
      const y = b * (column + 0.5) + d * (row + 0.5) + f - 0.5;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, down] = [x - left, y - top];
      const above = at(left, top) * (1 - right) + at(left + 1, top) * right;
      const below = at(left, top + 1) * (1 - right) + at(left + 1, top + 1) * right;
      result[row * side + column] = Math.round(above * (1 - down) + below * down);
    }
  }
  return result;
}

/** The mask as a base64 PNG, grey. */
export function encodeMask(mask, side) {
  if (!encoded.has(mask)) {
    const context = blank(side);
    const pixels = new ImageData(side, side);
    const words = new Uint32Array(pixels.data.buffer); // a pixel each: alpha, blue, green, red from the top
    for (let i = 0; i < mask.length; i += 1) words[i] = 0xff000000 | (mask[i] * 0x010101);
    context.putImageData(pixels, 0, 0);
    encoded.set(mask, context.canvas.toDataURL("image/png").split(",")[1]);
  }
  return encoded.get(mask);
}

/** The other way round. */
export async function decodeMask(base64, side) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return decodeGrey(new Blob([bytes], { type: "image/png" }), side);
}

/** The grey values of a picture file, which must be side x side. */
export async function decodeGrey(blob, side) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  return channelOf(bitmap, side, 0);
}

/** One of red, green, blue and alpha (0 ... 3) of a picture that is drawn side x side. */
export function channelOf(picture, side, channel) {
  const context = blank(side);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  return Uint8Array.from({ length: side * side }, (_, i) => data[4 * i + channel]);
}

/** Of a canvas off the page. Unlike an OffscreenCanvas it encodes at once, without a promise. */
export function blank(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  return canvas.getContext("2d", { willReadFrequently: true });
}

function painted(mask, side, box, erase, coverage) {
  const result = mask.slice();
  const [left, top] = [Math.max(0, Math.floor(box.left)), Math.max(0, Math.floor(box.top))];
  const [right, bottom] = [Math.min(side, Math.ceil(box.right)), Math.min(side, Math.ceil(box.bottom))];
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      const value = Math.round(255 * coverage(x + 0.5, y + 0.5));
      const i = y * side + x;
      result[i] = erase ? Math.min(result[i], 255 - value) : Math.max(result[i], value);
    }
  }
  return result;
}

function distanceToSegment(x, y, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : clamp(((x - from.x) * dx + (y - from.y) * dy) / length);
  return Math.hypot(x - from.x - t * dx, y - from.y - t * dy);
}

const clamp = (x) => Math.min(1, Math.max(0, x));

function smooth(x) {
  const t = clamp(x);
  return t * t * (3 - 2 * t);
}

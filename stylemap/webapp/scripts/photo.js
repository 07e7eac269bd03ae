/** Photos: the square of a file that the model sees, and the file with an edit in it. */

import { Refusal } from "./refusal.js";
import { bounds, central, toPhoto } from "./pasting.js";
import { blurred, smoothstep, toBytes, warped } from "./pixels.js";

const [FADE, BLUR] = [0.3, 0.02]; // of the square's side, beyond the photo: as in `stylemap/faces/alignment.py`
const [SMALLEST, LARGEST] = [0.5, 10]; // half the square: pixels, and longest sides of the photo
const FARTHEST = 1e6;
const KINDS = { png: "image/png", jpg: "image/jpeg", webp: "image/webp" };
const SIDES = { png: Infinity, jpg: 65500, webp: 16383 }; // at most, in pixels

/**
 * An image file as {data, width, height}: RGBA, upright, in sRGB.
 * @throws {Refusal} the browser cannot read it
 */
export async function decode(file, mostPixels) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  } catch {
    throw new Refusal(422, "this browser cannot read the file as an image; choose a JPEG, PNG or WebP");
  }
  const { width, height } = bitmap;
  if (width * height > mostPixels) {
    bitmap.close();
    throw new Refusal(422, `the image has ${width} x ${height} pixels; this browser takes ${mostPixels.toLocaleString("en")} at most`);
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/**
 * The square of a photo, Uint8ClampedArray of side * side * 3. Beyond its border the photo goes on mirrored, blurred and faded.
 * @throws {Refusal} the square does not fit the photo
 */
export function square(photo, alignment) {
  const { width, height } = photo;
  const { side, edge } = alignment;
  const matrix = toPhoto(alignment);
  const length = Math.hypot(...edge);
  const middle = (side - 1) / 2;
  const [x, y] = [matrix[0] * middle - matrix[1] * middle + matrix[2], matrix[1] * middle + matrix[0] * middle + matrix[3]];
  const beyond = Math.max(-x, -y, x - width, y - height);
  if (!(length / 2 >= SMALLEST && length / 2 <= LARGEST * Math.max(width, height) && beyond <= length / 2)) {
    throw new Refusal(422, `this square does not fit a photo of ${width} x ${height} pixels; choose another`);
  }
  const pixels = toBytes(warped(...shrunk(photo, matrix, side), side, side));
  return toBytes(surrounded(pixels, matrix, side, length, width, height));
}

/**
 * What a square needs of a photo, over white, in means of blocks where it is much smaller: [picture, channels, matrix] for `warped`. A
 * photo of 50 million pixels is not copied as a whole.
 */
function shrunk({ data, width, height }, matrix, side) {
  const by = Math.max(1, Math.floor(Math.hypot(matrix[0], matrix[1]) / 2 + 1e-9));
  const [low, high] = bounds(matrix, -0.5, side - 0.5, -0.5, side - 0.5);
  const [across, down] = [width, height].map((size, axis) => needed(low[axis], high[axis], size, 5 * by));
  const [wide, tall] = [across, down].map(([first, end]) => Math.ceil((end - first) / by));
  const result = new Float32Array(wide * tall * 3);
  for (let row = 0; row < tall; row += 1) {
    const [top, bottom] = [down[0] + row * by, Math.min(down[1], down[0] + (row + 1) * by)];
    for (let column = 0; column < wide; column += 1) {
      const [left, right] = [across[0] + column * by, Math.min(across[1], across[0] + (column + 1) * by)];
      const to = 3 * (row * wide + column);
      for (let v = top; v < bottom; v += 1) {
        for (let u = left; u < right; u += 1) {
          const at = 4 * (v * width + u);
          const opacity = data[at + 3] / 255;
          for (let c = 0; c < 3; c += 1) result[to + c] += data[at + c] * opacity + 255 * (1 - opacity);
        }
      }
      for (let c = 0; c < 3; c += 1) result[to + c] /= (bottom - top) * (right - left);
    }
  }
  const [a, b, x, y] = matrix;
  const place = (at, first) => (at - first + 0.5) / by - 0.5;
  return [{ data: result, width: wide, height: tall }, 3, [a / by, b / by, place(x, across[0]), place(y, down[0])]];
}

/** The rows or columns of a photo that a square reads, also by mirroring: as `resampling._cropped`. */
function needed(low, high, size, margin) {
  let [first, end] = [Math.floor(low) - margin, Math.ceil(high) + margin + 1];
  if (first < 0) end = Math.max(end, -first);
  if (end > size) first = Math.min(first, 2 * size - end);
  return [Math.min(Math.max(first, 0), size - 1), Math.max(Math.min(end, size), 1)];
}

function surrounded(pixels, [a, b, x, y], side, length, width, height) {
  const beyond = new Float32Array(side * side).map((_, i) => {
    const [v, u] = [Math.floor(i / side), i % side];
    const [right, down] = [a * u - b * v + x, b * u + a * v + y];
    return Math.max(-0.5 - right, right - (width - 0.5), -0.5 - down, down - (height - 0.5)) / length;
  });
  if (beyond.every((far) => far <= 0)) return pixels;
  const sigma = Math.max(BLUR * side, 0.3);
  const soft = blurred(pixels, side, side, 3, sigma, { size: Math.round(sigma * 6 + 1) | 1 });
  const median = [0, 1, 2].map((c) => {
    const inside = [...beyond.keys()].filter((i) => beyond[i] <= 0).map((i) => pixels[3 * i + c]).sort((p, q) => p - q);
    return inside.length ? (inside[(inside.length - 1) >> 1] + inside[inside.length >> 1]) / 2 : 255;
  });
  return Float32Array.from(pixels, (value, k) => {
    const far = beyond[Math.floor(k / 3)];
    const blurs = value + smoothstep(far / (2 * BLUR)) * (soft[k] - value);
    return blurs + Math.min(1, Math.max(0, far / FADE)) * (median[k % 3] - blurs);
  });
}

/** Which square a request asks for: that of its crop, or the middle. The page has no face detector here. */
export function alignmentOf(query, width, height, side) {
  if (!query.has("crop")) return central(width, height, side);
  const [left, top, length, degrees] = query.get("crop").split(",").map((text) => Math.max(-FARTHEST, Math.min(FARTHEST, Number(text))));
  return ofCrop(left, top, length, degrees, side);
}

/** `faces.Alignment.crop`. */
export function ofCrop(left, top, length, degrees, side) {
  const [right, down] = [Math.cos, Math.sin].map((f) => length * f((degrees * Math.PI) / 180));
  const [x, y] = [left + length / 2, top + length / 2];
  return { corner: [x - (right - down) / 2 - 0.5, y - (right + down) / 2 - 0.5], edge: [right, down], side };
}

/** `faces.Alignment.as_crop`. */
export function asCrop({ corner: [x, y], edge: [right, down] }) {
  const length = Math.hypot(right, down);
  return [x + 0.5 + (right - down - length) / 2, y + 0.5 + (right + down - length) / 2, length, (Math.atan2(down, right) * 180) / Math.PI];
}

/** RGB -> RGBA. */
export function opaque(pixels) {
  const result = new Uint8ClampedArray((pixels.length / 3) * 4).fill(255);
  for (let i = 0; i < pixels.length / 3; i += 1) result.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
  return result;
}

/** Each pixel as a square of ``times`` pixels; RGBA. */
export function enlarged({ data, width, height }, times) {
  const result = new ImageData(width * times, height * times);
  const [from, to] = [data, result.data].map((x) => new Uint32Array(x.buffer, x.byteOffset, x.byteLength / 4));
  to.forEach((_, i) => {
    const [y, x] = [Math.floor(i / (width * times)), i % (width * times)];
    to[i] = from[Math.floor(y / times) * width + Math.floor(x / times)];
  });
  return result;
}

/**
 * An image file.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} picture RGBA
 * @throws {Refusal} the browser cannot write this kind
 */
export async function encode({ data, width, height }, format = "png", quality = 95) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvasToFile(canvas, format, quality);
}

export async function canvasToFile(canvas, format, quality = 95) {
  let source = canvas;
  if (format === "jpg") {
    source = new OffscreenCanvas(canvas.width, canvas.height); // JPEG has no transparency: over white, not over black
    const context = source.getContext("2d", { alpha: false });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, source.width, source.height);
    context.drawImage(canvas, 0, 0);
  }
  if (Math.max(canvas.width, canvas.height) > SIDES[format]) {
    throw new Refusal(422, `the picture would have ${canvas.width} x ${canvas.height} pixels, and ${format.toUpperCase()} holds at most ${SIDES[format]} a side: choose PNG`);
  }
  const blob = await source.convertToBlob({ type: KINDS[format], quality: format === "webp" ? 1 : quality / 100 });
  if (blob.type !== KINDS[format]) throw new Refusal(422, `this browser cannot write ${format.toUpperCase()}; choose PNG`);
  return blob;
}

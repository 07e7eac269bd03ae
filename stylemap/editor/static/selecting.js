/**
 * Regions that are not strokes: inside a polygon, and of similar colour. A region is a Uint8Array of side * side values,
 * 0 ... 255, as a mask is.
 */

import { blank } from "./mask.js";

const EDGE = 0.1; // sides of the picture that the softest edge takes
const labs = new WeakMap(); // picture -> its colours

/** @param {{x: number, y: number}[]} points in pixels of the picture; where lines cross, both sides are inside */
export function polygon(points, side) {
  const context = blank(side);
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x, y);
  context.fill();
  const { data } = context.getImageData(0, 0, side, side);
  return Uint8Array.from({ length: side * side }, (_, i) => data[4 * i + 3]);
}

/**
 * The pixels that hang together with one and have nearly its colour.
 * @param {number} from index of the pixel
 * @param {number} tolerance the largest distance in CIELAB (CIE 1976), where 2 is just seen and black is 100 from white
 */
export function similar(picture, side, from, tolerance) {
  const lab = labOf(picture, side);
  const distance = (i) => Math.hypot(lab[3 * i] - lab[3 * from], lab[3 * i + 1] - lab[3 * from + 1], lab[3 * i + 2] - lab[3 * from + 2]);
  const region = new Uint8Array(side * side);
  const waiting = [from];
  while (waiting.length) {
    const i = waiting.pop();
    if (region[i] || distance(i) > tolerance) continue;
    region[i] = 255;
    const column = i % side;
    if (column > 0) waiting.push(i - 1);
    if (column < side - 1) waiting.push(i + 1);
    if (i >= side) waiting.push(i - side);
    if (i < side * (side - 1)) waiting.push(i + side);
  }
  return region;
}

/** The region with an edge that fades out, half of it inside and half outside. @param {number} softness 0 ... 1 */
export function soften(region, side, softness) {
  const width = EDGE * softness * side;
  if (width < 1) return region;
  const [inwards, outwards] = [false, true].map((taken) => distances(region, side, taken));
  return region.map((_, i) => 255 * Math.min(1, Math.max(0, 0.5 + (inwards[i] - outwards[i]) / width)));
}

/** A mask with a region laid over it, or taken from it. */
export function lay(mask, region, erase) {
  return mask.map((value, i) => (erase ? Math.min(value, 255 - region[i]) : Math.max(value, region[i])));
}

/** How far each pixel is from the border of what is taken, or of the rest; 0 there. By chamfer, which errs by 8 % at most. */
function distances(region, side, taken) {
  const width = side + 2; // with a rim, so that all have neighbours
  const far = new Float32Array(width * width).fill(side);
  const sweep = (visit) => {
    for (let y = 0, i = 0; y < side; y += 1) for (let x = 0; x < side; x += 1, i += 1) visit(i, (y + 1) * width + x + 1);
  };
  const pass = (p, step) => {
    const straight = Math.min(far[p - step], far[p - step * width]) + 1;
    const across = Math.min(far[p - step * (width + 1)], far[p - step * (width - 1)]) + Math.SQRT2;
    far[p] = Math.min(far[p], straight, across);
  };
  sweep((i, p) => {
    if (region[i] >= 128 === taken) far[p] = 0;
  });
  sweep((i, p) => pass(p, 1));
  sweep((i, p) => pass(far.length - 1 - p, -1));
  const result = new Float32Array(side * side);
  // the border runs half a pixel before the first one on the other side
  sweep((i, p) => (result[i] = Math.max(0, far[p] - 0.5)));
  return result;
}

/** The colours of a picture in CIELAB under D65: L, a, b of each pixel in turn. */
function labOf(picture, side) {
  if (labs.has(picture)) return labs.get(picture);
  const context = blank(side);
  context.drawImage(picture, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const linear = Float32Array.from({ length: 256 }, (_, value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const root = (t) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116);
  const lab = new Float32Array(3 * side * side);
  for (let i = 0; i < side * side; i += 1) {
    const [red, green, blue] = [linear[data[4 * i]], linear[data[4 * i + 1]], linear[data[4 * i + 2]]];
    const x = root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
    const y = root(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    const z = root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
    [lab[3 * i], lab[3 * i + 1], lab[3 * i + 2]] = [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  }
  labs.set(picture, lab);
  return lab;
}

/** Puts an edit back into its photo, as `stylemap/editing/pasting.py` and `stylemap/faces/pasting.py` do, which explain it; tests compare them. */

import { blurred, dilated, inverse, smoothstep, warped } from "./pixels.js";

const COLOURS = 3;

/** Where a square lies: {corner, edge, side} in pixels of the photo, as `faces.Alignment`. */
export function central(width, height, side) {
  const edge = Math.min(width, height);
  return { corner: [Math.floor((width - edge) / 2) - 0.5, Math.floor((height - edge) / 2) - 0.5], edge: [edge, 0], side };
}

export function toPhoto({ corner, edge, side }) {
  const [a, b] = [edge[0] / side, edge[1] / side];
  return [a, b, corner[0] + (a - b) / 2, corner[1] + (a + b) / 2];
}

/** The smallest and the largest [x, y] that a matrix gives in a rectangle. */
export function bounds([a, b, x, y], left, right, top, bottom) {
  const corners = [[left, top], [right, top], [left, bottom], [right, bottom]].map(([u, v]) => [a * u - b * v + x, b * u + a * v + y]);
  const extreme = (most) => [0, 1].map((axis) => most(...corners.map((corner) => corner[axis])));
  return [extreme(Math.min), extreme(Math.max)];
}

export class Pasting {
  /** @param {object} constants those of the Python modules, by their names there */
  constructor(constants) {
    this.constants = constants;
  }

  /**
   * The photo at its full size with an edit in it, a new Uint8ClampedArray of RGBA.
   * @param {{data: Uint8ClampedArray, width: number, height: number}} photo RGBA
   * @param {Float32Array} image the square of it before the edit, RGB
   * @param {Float32Array} edited the same after it
   * @param {Float32Array} region where the edit is to show
   * @param {"feather" | "poisson"} how
   * @param {object[]} sources for "poisson": the parts in turn, {image, inside, share}
   */
  paste(photo, image, edited, alignment, region, how, sources) {
    const { SURE, INVISIBLE } = this.constants;
    const { side } = alignment;
    const { width, height } = photo;
    const matched = how === "poisson" ? this.#match(image, edited, side, sources) : edited;
    const weight = this.#weight(region.map((value) => Math.min(1, value / SURE)), alignment, width, height);
    const result = photo.data.slice();
    const box = touched(weight, INVISIBLE, alignment, width, height);
    if (!box) return result;
    const [wide, high] = [box.right - box.left, 1]; // a row at a time bounds the memory
    const [a, b, x, y] = inverse(toPhoto(alignment));
    for (let row = box.top; row < box.bottom; row += 1) {
      const along = (left) => [a, b, a * left - b * row + x, b * left + a * row + y];
      const square = (data) => ({ data, width: side, height: side });
      const shares = warped(square(weight), 1, along(box.left), wide, high, "linear", "replicate");
      const first = shares.findIndex((share) => share > 0);
      if (first < 0) continue;
      const end = shares.findLastIndex((share) => share > 0) + 1;
      const colours = warped(square(matched), COLOURS, along(box.left + first), end - first, high);
      for (let i = first; i < end; i += 1) {
        const at = 4 * (row * width + box.left + i);
        const opacity = photo.data[at + 3] / 255;
        if (shares[i] === 0 || opacity === 0) continue;
        for (let c = 0; c < COLOURS; c += 1) {
          const value = Math.min(255, Math.max(0, colours[COLOURS * (i - first) + c]));
          const bare = Math.min(255, Math.max(0, (value - 255 * (1 - opacity)) / opacity)); // the model saw it over white
          result[at + c] = Math.round(photo.data[at + c] + shares[i] * (bare - photo.data[at + c]));
        }
      }
    }
    return result;
  }

  /** The share of the edit at each pixel of the square, 0 where the photo goes on beyond it. */
  #weight(mask, alignment, width, height) {
    const { FEATHER } = this.constants;
    const { side } = alignment;
    const [low, high] = bounds(inverse(toPhoto(alignment)), -0.5, width - 0.5, -0.5, height - 0.5);
    const [columns, rows] = [0, 1].map((axis) => ramp(side, FEATHER * side, low[axis] < -0.51, high[axis] > side - 0.49));
    const radius = Math.round(FEATHER * side / 2);
    const soft = radius === 0 ? mask : blurred(dilated(mask, side, radius), side, side, 1, radius / 2.5, { size: 2 * radius + 1, replicates: true });
    return soft.map((value, i) => Math.min(1, Math.max(0, value)) * Math.min(columns[i % side], rows[Math.floor(i / side)]));
  }

  /** Where an edit without a mask shows, 0 or 1. */
  changed(before, after, side) {
    const { NEAR, VISIBLE } = this.constants;
    const sigma = NEAR * side;
    const difference = new Float32Array(side * side).map((_, i) => {
      return Math.max(...[0, 1, 2].map((c) => Math.abs(after[COLOURS * i + c] - before[COLOURS * i + c])));
    });
    const visible = blurred(difference, side, side, 1, sigma).map((value) => Number(value > VISIBLE));
    return dilated(visible, side, Math.round(2 * sigma));
  }

  /** How much of a source an image shows after a part of it came. */
  share(before, after, source, side) {
    const { REACH, FLAT } = this.constants;
    const products = (other) => {
      return new Float32Array(side * side).map((_, i) => {
        let sum = 0;
        for (let k = COLOURS * i; k < COLOURS * i + COLOURS; k += 1) sum += (other[k] - before[k]) * (source[k] - before[k]);
        return sum;
      });
    };
    const [along, square] = [after, source].map((other) => blurred(products(other), side, side, 1, REACH * side));
    return along.map((value, i) => Math.min(1, Math.max(0, value / (square[i] + FLAT))));
  }

  /** The edit with the gradients of its parts inside, and the photo's colours at their borders. */
  #match(image, edited, side, sources) {
    const correction = new Float32Array(image.length);
    for (const source of sources) {
      const smooth = this.#membrane(image.map((value, i) => value - source.image[i]), source.inside, side, side);
      for (let i = 0; i < correction.length; i += 1) correction[i] += source.share[Math.floor(i / COLOURS)] * (smooth[i] - correction[i]);
    }
    return edited.map((value, i) => value + correction[i]);
  }

  /** Values with the smoothest continuation inside. */
  #membrane(values, inside, width, height) {
    const { COARSEST, COARSE_STEPS, FINE_STEPS } = this.constants;
    if (inside.every(Boolean)) return new Float32Array(values.length);
    if (!inside.some(Boolean)) return values;
    if (Math.max(width, height) <= COARSEST) return this.#relaxed(values, inside, width, height, COARSE_STEPS);
    const [smaller, within, wide, high] = halved(values, inside, width, height);
    const coarse = this.#membrane(smaller, within, wide, high);
    const start = values.map((value, i) => {
      const [pixel, c] = [Math.floor(i / COLOURS), i % COLOURS];
      if (!inside[pixel]) return value;
      const [y, x] = [Math.floor(pixel / width), pixel % width];
      return coarse[((y >> 1) * wide + (x >> 1)) * COLOURS + c];
    });
    return this.#relaxed(start, inside, width, height, FINE_STEPS);
  }

  /** Conjugate gradients on Laplace's equation inside. */
  #relaxed(start, inside, width, height, steps) {
    const free = (values) => values.map((value, i) => (inside[Math.floor(i / COLOURS)] ? value : 0));
    const squares = (a, b) => a.reduce((sums, value, i) => ((sums[i % COLOURS] += value * b[i]), sums), [0, 0, 0]);
    const x = start.slice();
    const residual = free(laplacian(x, width, height)).map((value) => -value);
    let direction = residual.slice();
    let square = squares(residual, residual);
    for (let step = 0; step < steps; step += 1) {
      if (residual.every((value) => Math.abs(value) < this.constants.ENOUGH)) break;
      const image = free(laplacian(direction, width, height));
      const length = squares(direction, image).map((sum, c) => square[c] / Math.max(sum, 1e-30));
      for (let i = 0; i < x.length; i += 1) {
        x[i] += length[i % COLOURS] * direction[i];
        residual[i] -= length[i % COLOURS] * image[i];
      }
      const before = square;
      square = squares(residual, residual);
      const kept = square.map((sum, c) => sum / Math.max(before[c], 1e-30));
      direction = direction.map((value, i) => residual[i] + kept[i % COLOURS] * value);
    }
    return x;
  }
}

/** How much each pixel is above its neighbours in the frame, summed. */
function laplacian(x, width, height) {
  const result = new Float32Array(x.length);
  const row = width * COLOURS;
  for (let i = 0; i < x.length; i += 1) {
    if (i % row >= COLOURS) result[i] += x[i] - x[i - COLOURS];
    if (i % row < row - COLOURS) result[i] += x[i] - x[i + COLOURS];
    if (i >= row) result[i] += x[i] - x[i - row];
    if (i < (height - 1) * row) result[i] += x[i] - x[i + row];
  }
  return result;
}

/** Blocks of 2 x 2: the mean of what is outside, and where nothing is. */
function halved(values, inside, width, height) {
  const [wide, high] = [(width + 1) >> 1, (height + 1) >> 1];
  const sums = new Float32Array(wide * high * COLOURS);
  const counts = new Uint8Array(wide * high);
  inside.forEach((isInside, i) => {
    if (isInside) return;
    const to = (Math.floor(i / width) >> 1) * wide + ((i % width) >> 1);
    counts[to] += 1;
    for (let c = 0; c < COLOURS; c += 1) sums[to * COLOURS + c] += values[i * COLOURS + c];
  });
  const means = sums.map((sum, i) => sum / Math.max(1, counts[Math.floor(i / COLOURS)]));
  return [means, counts.map((count) => Number(count === 0)), wide, high];
}

/** Up from 0 within ``length`` pixels of the first end, if there is to be a ramp, and down to the last. */
function ramp(side, length, first, last) {
  return Array.from({ length: side }, (_, at) => {
    return smoothstep(Math.min(first ? at : Infinity, last ? side - 1 - at : Infinity) / Math.max(1, length));
  });
}

/** The rows and columns of a photo that a weight reaches, or null. */
function touched(weight, least, alignment, width, height) {
  const { side } = alignment;
  let [top, bottom, left, right] = [side, -1, side, -1];
  weight.forEach((value, i) => {
    if (value < least) return;
    const [y, x] = [Math.floor(i / side), i % side];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  if (bottom < 0) return null;
  const [low, high] = bounds(toPhoto(alignment), left - 1, right + 1, top - 1, bottom + 1);
  const clip = (value, most) => Math.min(most, Math.max(0, value));
  return {
    left: clip(Math.floor(low[0]), width),
    top: clip(Math.floor(low[1]), height),
    right: clip(Math.ceil(high[0]) + 1, width),
    bottom: clip(Math.ceil(high[1]) + 1, height),
  };
}

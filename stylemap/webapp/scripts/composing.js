/**
 * Composes the steps of an edit on maps, as `stylemap/editing/composing.py` does, which explains it; tests compare the two.
 *
 * A map is {data: Float32Array of channels * side * side, channels, side}, a mask Float32Array of side * side in 0 ... 1. Neither is
 * changed once made. A step is a patch or a push as the page sends it, its mask decoded.
 */

const WHOLE = (side) => ({ top: 0, bottom: side, left: 0, right: side });

/**
 * The maps of an image after some changes.
 * @param {object[]} maps of the original
 * @param {{step: object, maps: object[], adds: boolean}[]} changes in turn, each with the maps that it brings
 * @param {number} resolution side of the masks
 */
export function compose(maps, changes, resolution) {
  const result = maps.map((map) => ({ ...map, data: map.data.slice() }));
  for (const { step, maps: others, adds } of changes) {
    const soft = soften(step, resolution);
    const mask = placedMask(soft, resolution);
    const [first, end] = soft.layers ?? [0, maps.length];
    for (let i = first; i < end; i += 1) {
      const { side } = maps[i];
      const share = mask && resized(mask, resolution, side, soft.hard);
      const window = share ? boundsOf(share, side) : WHOLE(side);
      if (window === null) continue;
      const where = adds ? null : soft;
      lay(result[i], place(others[i], where, resolution, centreOf(soft, resolution), "replicate", window), share, window, adds, adds ? 1 : soft.strength);
    }
  }
  return result;
}

/** Where changes are meant to show: their masks where they go, with ``hard`` in whole cells. */
export function region(changes, sides, resolution) {
  const result = new Float32Array(resolution * resolution);
  for (const { step } of changes) {
    const soft = soften(step, resolution);
    let mask = placedMask(soft, resolution);
    if (mask === null) return result.fill(1);
    if (soft.hard) {
      const side = sides[(soft.layers ?? [0])[0]];
      const cells = resized(mask, resolution, side, true);
      const cell = resolution / side;
      mask = mask.map((value, i) => {
        const [y, x] = [Math.floor(i / resolution), i % resolution];
        return Math.max(value, cells[Math.floor(y / cell) * side + Math.floor(x / cell)]);
      });
    }
    for (let i = 0; i < mask.length; i += 1) result[i] = Math.max(result[i], mask[i]);
  }
  return result;
}

/** The whole reference, placed like the part of a patch. */
export function everywhere(step, resolution) {
  return { ...step, centre: centreOf(soften(step, resolution), resolution), mask: null, strength: 1 };
}

/** Mirrors a map. */
export function mirrored({ data, channels, side }) {
  const result = new Float32Array(data.length);
  for (let row = 0; row < channels * side; row += 1) {
    for (let x = 0; x < side; x += 1) result[row * side + x] = data[row * side + side - 1 - x];
  }
  return { data: result, channels, side };
}

function lay(target, part, share, { top, bottom, left, right }, adds, strength) {
  const { data, channels, side } = target;
  const width = right - left;
  for (let c = 0; c < channels; c += 1) {
    for (let y = top; y < bottom; y += 1) {
      let to = (c * side + y) * side + left;
      let from = (c * (bottom - top) + y - top) * width;
      for (let x = left; x < right; x += 1, to += 1, from += 1) {
        const weight = share ? strength * share[y * side + x] : strength;
        data[to] += weight * (adds ? part[from] : part[from] - data[to]);
      }
    }
  }
}

/** The step with a soft mask instead of a feather. */
export function soften(step, side) {
  if (step.mask === null || step.feather === 0) return step;
  return { ...step, mask: feather(step.mask, side, step.feather), feather: 0 };
}

function placedMask(step, resolution) {
  if (step.mask === null) return null;
  if (step.shift === undefined) return step.mask; // a push stays where it is
  const mask = { data: step.mask, channels: 1, side: resolution };
  return place(mask, step, resolution, centreOf(step, resolution), "zeros", WHOLE(resolution)).map((value) => Math.min(1, Math.max(0, value)));
}

/** [y, x] that a patch is mirrored and scaled about. */
function centreOf({ centre, mask }, side) {
  if (centre) return centre;
  const most = mask ? mask.reduce((a, b) => Math.max(a, b), 0) : 0;
  if (!(most > 0)) return [side / 2, side / 2];
  const { top, bottom, left, right } = boundsOf(mask, side, most / 2);
  return [(top + bottom) / 2, (left + right) / 2];
}

/** The box around all that is more than ``least``, or null. */
function boundsOf(values, side, least = 0) {
  let [top, bottom, left, right] = [side, 0, side, 0];
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      if (!(values[y * side + x] > least)) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  return bottom > 0 ? { top, bottom, left, right } : null;
}

/** A mask at another side: means over the cells, or, hard, each cell that it touches taken whole. */
export function resized(mask, from, to, hard) {
  if (from === to && !hard) return mask;
  const cell = from / to;
  const result = new Float32Array(to * to);
  for (let y = 0; y < from; y += 1) {
    const row = Math.floor(y / cell) * to;
    for (let x = 0; x < from; x += 1) {
      const value = mask[y * from + x];
      const at = row + Math.floor(x / cell);
      if (!hard) result[at] += value;
      else if (value > 0.5) result[at] = 1;
    }
  }
  return hard ? result : result.map((sum) => sum / (cell * cell));
}

/** A mask with a soft edge: means under a pyramid, over what is inside the frame. */
function feather(mask, side, radius) {
  const reach = Math.min(Math.floor(radius / Math.SQRT2 + 0.5), side - 1);
  if (reach === 0) return mask;
  const along = (values, step, stride) => {
    const result = new Float32Array(values.length);
    for (let line = 0; line < side; line += 1) {
      for (let at = 0; at < side; at += 1) {
        let [sum, inside] = [0, 0];
        for (let k = Math.max(0, at - reach); k <= Math.min(side - 1, at + reach); k += 1) {
          const weight = reach + 1 - Math.abs(k - at);
          sum += weight * values[line * stride + k * step];
          inside += weight;
        }
        result[line * stride + at * step] = sum / inside;
      }
    }
    return result;
  };
  return along(along(mask, 1, side), side, 1).map((value) => Math.min(1, Math.max(0, value)));
}

/**
 * A window of a map that is mirrored, scaled and shifted within its frame -> Float32Array of channels * height * width.
 * @param {object | null} placement null: it stays
 */
function place({ data, channels, side }, placement, resolution, about, edge, window) {
  const ranges = [[window.top, window.bottom], [window.left, window.right]];
  const { shift = [0, 0], scale = 1, flip = false } = placement ?? {};
  const moves = flip || scale !== 1 || shift[0] !== 0 || shift[1] !== 0;
  const [rows, columns] = ranges.map(([first, end], axis) => {
    return moves ? linesOf(first, end, { shift: shift[axis], scale, mirrored: axis === 1 && flip }, about[axis], resolution, side, edge) : straight(first, end);
  });
  const [height, width] = [rows.length, columns.length];
  const result = new Float32Array(channels * height * width);
  const between = new Float32Array(side); // a row, before its columns are placed
  for (let c = 0; c < channels; c += 1) {
    for (let y = 0; y < height; y += 1) {
      between.fill(0);
      for (const [line, weight] of rows[y]) {
        const start = (c * side + line) * side;
        for (let x = 0; x < side; x += 1) between[x] += weight * data[start + x];
      }
      const to = (c * height + y) * width;
      for (let x = 0; x < width; x += 1) {
        let sum = 0;
        for (const [line, weight] of columns[x]) sum += weight * between[line];
        result[to + x] = sum;
      }
    }
  }
  return result;
}

const straight = (first, end) => Array.from({ length: end - first }, (_, i) => [[first + i, 1]]);

/** For each row or column of the result, the lines that it is made of, and their weights. */
function linesOf(first, end, { shift, scale, mirrored: isMirrored }, about, resolution, side, edge) {
  const unit = side / resolution;
  const samples = Math.ceil(1 / scale);
  return Array.from({ length: end - first }, (_, i) => {
    const weights = new Map();
    const add = (line, weight) => {
      const isInside = line >= 0 && line < side;
      if (weight === 0 || (!isInside && edge === "zeros")) return;
      const kept = Math.min(side - 1, Math.max(0, line));
      weights.set(kept, (weights.get(kept) ?? 0) + weight / samples);
    };
    for (let k = 0; k < samples; k += 1) {
      const to = first + i + (k + 0.5) / samples - (shift + about) * unit;
      const at = (isMirrored ? -to : to) / scale + about * unit - 0.5;
      const lower = Math.floor(at);
      add(lower, 1 - (at - lower));
      add(lower + 1, at - lower);
    }
    return [...weights];
  });
}

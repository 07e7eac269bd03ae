/** Where a region of the reference lies in the original: mirrored and scaled about its centre, then shifted. */

import { rangeOf } from "./edit.js";
import { boundsOf } from "./mask.js";

const SCALES = [0.33, 0.5, 0.67, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3]; // between the smallest and the largest

/**
 * The centre to mirror and scale about, [down, right] in pixels. While a region is neither mirrored nor scaled its centre
 * has no effect and follows the mask; afterwards it stays, or painting more would move what is there already.
 */
export function settledCentre(patch, side) {
  if (patch.centre !== null && (patch.flip || patch.scale !== 1)) return patch.centre;
  const box = patch.mask && boundsOf(patch.mask, side);
  return box ? [(box.top + box.bottom) / 2, (box.left + box.right) / 2] : null;
}

/** Maps pixels of the reference to pixels of the original: x' = ax + e, y' = dy + f. */
export function matrixOf(patch, side) {
  const [down, right] = patch.centre ?? [side / 2, side / 2];
  const a = patch.flip ? -patch.scale : patch.scale;
  const d = patch.scale;
  return new DOMMatrix([a, 0, 0, d, right - a * right + patch.shift[1], down - d * down + patch.shift[0]]);
}

/** Whether a point of the original lies in the region; what is faint counts, so that small regions can be caught. */
export function isInside(patch, side, point) {
  const { x, y } = matrixOf(patch, side).inverse().transformPoint(new DOMPoint(point.x, point.y));
  const [column, row] = [Math.floor(x), Math.floor(y)];
  return column >= 0 && row >= 0 && column < side && row < side && patch.mask[row * side + column] >= 64;
}

/** The next scale up (1) or down (-1). */
export function nextScale(scale, step) {
  const [least, most] = rangeOf("patches", "scale");
  const scales = [least, ...SCALES, most];
  const nearest = scales.reduce((best, s) => (Math.abs(s - scale) < Math.abs(best - scale) ? s : best));
  return scales[Math.min(scales.length - 1, Math.max(0, scales.indexOf(nearest) + step))];
}

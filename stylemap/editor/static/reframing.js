/** An edit when the square of one of its photos changes: what was painted stays where it is on the photo. */

import { rangeOf } from "./edit.js";
import { matrixOfCrop } from "./framing.js";
import { isEmpty, warped } from "./mask.js";
import { settledCentre } from "./placement.js";

/**
 * @param {"original" | number} slot
 * @param {object} picture the photo in that slot, of another square
 */
export function reframed(edit, slot, picture, side) {
  const before = edit.pictures.get(slot);
  const moved = matrixOfCrop(picture.crop, side).inverse().multiply(matrixOfCrop(before.crop, side)); // old pixels to new
  const pictures = new Map(edit.pictures).set(slot, picture);
  const scale = before.crop[2] / picture.crop[2];
  if (slot === "original") {
    const selection = isEmpty(edit.selection) ? edit.selection : warped(edit.selection, side, moved);
    return { ...edit, pictures, selection, patches: edit.patches.map((patch) => landed(patch, side, moved, scale)) };
  }
  const patches = edit.patches.map((patch, i) => (i === slot ? taken(patch, side, moved, scale) : patch));
  return { ...edit, pictures, patches };
}

export const isAnythingPainted = ({ selection, patches }) => !isEmpty(selection) || patches.some(({ mask }) => !isEmpty(mask));

/** Whether somebody put it elsewhere; what was only taken lies in the result as in the reference. */
const isPlaced = ({ shift, scale, flip }) => shift[0] !== 0 || shift[1] !== 0 || scale !== 1 || flip;

/** A patch that lands on the original's old square: where it was put, it stays on the photo. */
function landed(patch, side, moved, by) {
  const centre = settledCentre(patch, side);
  if (!centre || !isPlaced(patch)) return patch;
  const goal = transformed(moved, [centre[0] + patch.shift[0], centre[1] + patch.shift[1]]);
  return { ...patch, centre, shift: minus(goal, centre), scale: within(patch.scale * by) };
}

/** A patch that is taken from a reference's old square: it takes the same of the photo, and what was put somewhere stays there. */
function taken(patch, side, moved, by) {
  const centre = settledCentre(patch, side);
  if (!centre) return patch;
  const mask = warped(patch.mask, side, moved);
  if (!isPlaced(patch)) return { ...patch, mask, centre: settledCentre({ ...patch, mask }, side) };
  const now = transformed(moved, centre);
  const goal = [centre[0] + patch.shift[0], centre[1] + patch.shift[1]];
  return { ...patch, mask, centre: now, shift: minus(goal, now), scale: within(patch.scale / by) };
}

/** Of [down, right]. */
function transformed(matrix, [down, right]) {
  const { x, y } = matrix.transformPoint(new DOMPoint(right, down));
  return [y, x];
}

const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];

function within(scale) {
  const [least, most] = rangeOf("patches", "scale");
  return Math.min(most, Math.max(least, scale));
}

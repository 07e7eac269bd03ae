/** The edit that is worked on, and how it is written for the server. Values are never changed in place. */

import { decodeMask, encodeMask, isEmpty } from "./mask.js";

const ROOM = 48_000; // characters, of 64 KiB

const PATCH = {
  mask: null, // where in the reference is taken
  shift: [0, 0], // [down, right], pixels
  scale: 1,
  flip: false,
  centre: null, // [down, right], pixels
  strength: 1,
  hard: false,
  feather: 0, // pixels
  layers: null, // [first, one past the last] of those that change, in w+; null: all
};

export const newPatch = () => ({ ...PATCH });

export function newEdit(references) {
  return {
    space: "w+",
    patches: Array.from({ length: references }, newPatch),
    amounts: {}, // direction -> standard deviations
    limited: false, // the directions work within the selection only
    selection: null, // mask over the original
  };
}

export function withPatch(edit, slot, changes) {
  return { ...edit, patches: edit.patches.map((patch, i) => (i === slot ? { ...patch, ...changes } : patch)) };
}

/** @param {(slot: number) => boolean} isFilled whether there is a picture to take from */
export function forServer(edit, side, isFilled) {
  const inSpace = edit.space === "w" ? { layers: null } : {}; // w has but one map
  const patches = edit.patches.flatMap(({ mask, ...patch }, reference) =>
    isEmpty(mask) || !isFilled(reference) ? [] : [{ reference, ...patch, ...inSpace, mask: encodeMask(mask, side) }],
  );
  const where = edit.limited && !isEmpty(edit.selection) ? encodeMask(edit.selection, side) : null;
  const works = !edit.limited || where !== null; // a selection that is still empty holds nothing to change
  const pushes = Object.entries(edit.amounts).flatMap(([direction, amount]) =>
    amount === 0 || !works ? [] : [{ direction, amount, mask: where }],
  );
  return { space: edit.space, patches, pushes };
}

/** What of an edit is only of the page: kept beside it in a project file, which has little room for that. */
export function forPage(edit, side) {
  const selection = isEmpty(edit.selection) ? null : encodeMask(edit.selection, side);
  return { limited: edit.limited, selection: selection?.length < ROOM ? selection : null };
}

/** The edit of a project file. */
export async function fromServer({ space, patches, pushes }, page, side, references) {
  const edit = newEdit(references);
  for (const { reference, mask, ...patch } of patches) {
    const known = Object.fromEntries(Object.keys(PATCH).map((key) => [key, patch[key] ?? PATCH[key]]));
    edit.patches[reference] = { ...known, mask: await decodeMask(mask, side) };
  }
  for (const { direction, amount } of pushes) edit.amounts[direction] = amount;
  const selection = pushes.find(({ mask }) => mask !== null)?.mask ?? page.selection ?? null;
  const limited = page.limited ?? selection !== null;
  return { ...edit, space, limited, selection: selection && (await decodeMask(selection, side)) };
}

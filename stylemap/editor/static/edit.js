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
    pictures: new Map(), // "original", 0, 1, ... -> what Session.putPicture answers
    space: "w+",
    patches: Array.from({ length: references }, newPatch),
    amounts: {}, // direction -> standard deviations
    limited: false, // the directions work within the selection only
    selection: null, // mask over the original
    // In which turn a project's patches and pushes work: a slot or a direction, then the rest in their own order. What the
    // page has no controls for, as a second patch of a reference, is here itself, as the server wrote it.
    turns: { patches: [], pushes: [] },
  };
}

export function withPatch(edit, slot, changes) {
  return { ...edit, patches: edit.patches.map((patch, i) => (i === slot ? { ...patch, ...changes } : patch)) };
}

/** Nothing taken from a reference any more. */
export function withoutPatches(edit, slot) {
  const patches = edit.turns.patches.filter(({ reference }) => reference !== slot);
  return { ...withPatch(edit, slot, newPatch()), turns: { ...edit.turns, patches } };
}

export function withoutPushes(edit) {
  return { ...edit, amounts: {}, turns: { ...edit.turns, pushes: [] } };
}

const isKept = (turn) => typeof turn === "object";

/** How many patches and pushes the page cannot show. */
export const countKept = ({ turns }) => [...turns.patches, ...turns.pushes].filter(isKept).length;

const inTurn = (turns, all) => [...turns, ...all.filter((one) => !turns.includes(one))];

export function forServer(edit, side) {
  const inSpace = edit.space === "w" ? { layers: null } : {}; // w has but one map
  const patches = inTurn(edit.turns.patches, [...edit.patches.keys()]).flatMap((turn) => {
    if (isKept(turn)) return [{ ...turn, ...inSpace }];
    const { mask, ...patch } = edit.patches[turn];
    const nothing = isEmpty(mask) || !edit.pictures.has(turn);
    return nothing ? [] : [{ reference: turn, ...patch, ...inSpace, mask: encodeMask(mask, side) }];
  });
  const where = edit.limited && !isEmpty(edit.selection) ? encodeMask(edit.selection, side) : null;
  const works = !edit.limited || where !== null; // a selection that is still empty holds nothing to change
  const pushes = inTurn(edit.turns.pushes, Object.keys(edit.amounts)).flatMap((turn) => {
    if (isKept(turn)) return [{ ...turn, ...inSpace }];
    const amount = edit.amounts[turn] ?? 0;
    return amount === 0 || !works ? [] : [{ direction: turn, amount, mask: where }];
  });
  return { space: edit.space, patches, pushes };
}

/** What of an edit is only of the page: kept beside it in a project file, which has little room for that. */
export function forPage(edit, side) {
  const selection = isEmpty(edit.selection) ? null : encodeMask(edit.selection, side);
  return { limited: edit.limited, selection: selection?.length < ROOM ? selection : null };
}

/** The edit of a project file. */
export async function fromServer({ space, patches, pushes }, page, pictures, side, references) {
  const edit = { ...newEdit(references), space, pictures };
  for (const [i, patch] of patches.entries()) {
    const { reference, mask, ...rest } = patch;
    const isOnTop = !patches.slice(i + 1).some((other) => other.reference === reference);
    edit.turns.patches.push(isOnTop ? reference : patch);
    if (isOnTop) edit.patches[reference] = { ...PATCH, ...rest, mask: await decodeMask(mask, side) };
  }
  const isPlain = ({ hard, feather, layers }) => !hard && feather === 0 && layers === null;
  const where = pushes.find(isPlain)?.mask; // undefined: there is nothing for the sliders
  for (const push of pushes) {
    const { direction, amount, mask } = push;
    const isSlider = isPlain(push) && mask === where && !Object.hasOwn(edit.amounts, direction);
    edit.turns.pushes.push(isSlider ? direction : push);
    if (isSlider) edit.amounts[direction] = amount;
  }
  const limited = where === undefined ? page.limited === true : where !== null;
  const selection = where ?? page.selection ?? null;
  return { ...edit, limited, selection: selection && (await decodeMask(selection, side)) };
}

/** The edit that is worked on, and how it is written for the server. Values are never changed in place. */

import { decodeMask, encodeMask, isEmpty } from "./mask.js";

const SELECTION_SHARE = 0.75; // of the room for the page's own settings in a project file

let schema = null; // what an edit is: names, ranges and defaults of the server's editing/edit.py, as JSON Schema

export function useSchema(edit) {
  schema = edit.properties;
}

/** The least and the most of a number. */
export function rangeOf(kind, name) {
  const { minimum, maximum } = schema[kind].items.properties[name];
  return [minimum, maximum];
}

function defaultsOf(kind) {
  const fields = Object.entries(schema[kind].items.properties).filter(([, field]) => "default" in field);
  return Object.fromEntries(fields.map(([name, field]) => [name, field.default]));
}

export const newPatch = () => defaultsOf("patches");

export function newEdit(references) {
  return {
    pictures: new Map(), // "original", 0, 1, ... -> what Session.putPicture answers
    space: schema.space.default,
    keepDetail: true, // the photo's own pixels where the edit does not reach
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
  return { space: edit.space, patches, pushes, keep_detail: edit.keepDetail };
}

/** What of an edit only the page knows. A project file keeps it beside the edit, in so many bytes. */
export function forPage(edit, side, room) {
  const selection = isEmpty(edit.selection) ? null : encodeMask(edit.selection, side);
  return { limited: edit.limited, selection: selection?.length < SELECTION_SHARE * room ? selection : null };
}

/** The edit of a project file. */
export async function fromServer({ space, patches, pushes, keep_detail: keepDetail }, page, pictures, side, references) {
  const edit = { ...newEdit(references), space, keepDetail, pictures };
  for (const [i, patch] of patches.entries()) {
    const { reference, mask, ...rest } = patch;
    const isOnTop = !patches.slice(i + 1).some((other) => other.reference === reference);
    edit.turns.patches.push(isOnTop ? reference : patch);
    if (isOnTop) edit.patches[reference] = { ...newPatch(), ...rest, mask: await decodeMask(mask, side) };
  }
  const plain = Object.entries(defaultsOf("pushes")).filter(([name]) => name !== "mask");
  const isPlain = (push) => plain.every(([name, value]) => JSON.stringify(push[name]) === JSON.stringify(value));
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

/** What a step of undo is called: by what differs between two edits. */

import { isEmpty } from "./mask.js";
import { percent, pixels, signed } from "./widgets.js";

const onOff = (name) => (before, after) => `${name} ${after ? "on" : "off"}`;
const fromTo = (name, format) => (before, after) => `${name} ${format(before)} → ${format(after)}`;
const layers = (range) => (range === null ? "all" : `${range[0]} to ${range[1] - 1}`);

const OF_PATCH = {
  strength: fromTo("strength", percent),
  scale: fromTo("scale", percent),
  feather: fromTo("feather", pixels),
  layers: fromTo("layers", layers),
  flip: () => "flip",
  shift: () => "move",
  hard: onOff("hard edge"),
};

/**
 * @param {object} before and after: edits
 * @param {string} painted what a hand did to a mask, where only the hand knows: "brush stroke"
 */
export function nameOfStep(before, after, painted = "change of the region") {
  if (before.pictures !== after.pictures && painted === "crop") return painted; // masks go with it
  if (before.pictures !== after.pictures) return nameOfPictures(before.pictures, after.pictures);
  if (before.space !== after.space) return fromTo("space", String)(before.space, after.space);
  if (before.keepDetail !== after.keepDetail) return onOff("detail of the photo")(before.keepDetail, after.keepDetail);
  if (before.limited !== after.limited) return `sliders on the ${after.limited ? "brushed region" : "whole face"}`;
  if (before.selection !== after.selection) return isEmpty(after.selection) ? "clearing of the region" : painted;
  const slot = after.patches.findIndex((patch, i) => patch !== before.patches[i]);
  if (slot >= 0) return nameOfPatch(before.patches[slot], after.patches[slot], painted);
  const moved = Object.keys({ ...before.amounts, ...after.amounts });
  const changed = moved.filter((name) => (before.amounts[name] ?? 0) !== (after.amounts[name] ?? 0));
  if (changed.length !== 1) return "sliders to zero";
  const [name] = changed;
  return fromTo(name.replaceAll("_", " "), signed)(before.amounts[name] ?? 0, after.amounts[name] ?? 0);
}

function nameOfPictures(before, after) {
  const slot = [...new Set([...before.keys(), ...after.keys()])].find((key) => before.get(key) !== after.get(key));
  const fitted = after.get(slot)?.source.fit;
  if (fitted && fitted !== before.get(slot)?.source.fit) return "fit to the photo";
  if (slot === "original") return "new original";
  return after.has(slot) ? `new reference ${slot + 1}` : `removal of reference ${slot + 1}`;
}

function nameOfPatch(before, after, painted) {
  if (before.mask !== after.mask) return after.mask === null ? "clearing of the region" : painted;
  const differs = (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  const changed = Object.keys(OF_PATCH).filter(differs);
  return changed.length === 1 ? OF_PATCH[changed[0]](before[changed[0]], after[changed[0]]) : "region back in place";
}

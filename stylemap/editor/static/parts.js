/** The parts of a picture by its labels: what they are called, where they are, and how that is shown. */

import { boundsOf } from "./mask.js";
import { drawOutline } from "./stage.js";

export const UNKNOWN = "These weights do not know the parts of this image: `stylemap parts train` teaches them. Take the brush.";
const PLAIN = { eye: "eyes", eyebrow: "brows", ear: "ears", lip: "mouth", cloth: "clothes" }; // for the data sets' names
const regions = new WeakMap(); // labels -> Map of the name of a part -> its mask

export const plainName = ({ name }) => PLAIN[name] ?? name;

/** The part of a picture at a point in pixels; undefined where none is known. */
export function partAt(picture, { x, y }, side, parts) {
  const [column, row] = [x, y].map((value) => Math.min(side - 1, Math.max(0, Math.floor(value))));
  const label = picture?.labels?.[row * side + column];
  return parts.find(({ ids }) => ids.includes(label));
}

/** The outline and the name of a part. @param {{x: number, y: number} | null} at the pointer, in pixels of the picture */
export function drawPart(context, { labels }, part, side, scale, at, text) {
  const mask = regionOf(labels, part);
  const bounds = boundsOf(mask, side);
  if (!bounds) return;
  drawOutline(context, mask, side, new DOMMatrix([scale, 0, 0, scale, 0, 0]), "strong");
  const tall = bounds.bottom - bounds.top;
  const x = at?.x ?? (bounds.left + bounds.right) / 2;
  const y = tall < side / 4 ? bounds.top : (at?.y ?? bounds.top + tall / 2); // the name hides no small part
  context.font = "600 13px system-ui, sans-serif";
  const [width, height] = [context.measureText(text).width + 16, 24];
  const inside = (value, size) => Math.min(side * scale - size - 4, Math.max(4, value));
  const left = inside(x * scale - width / 2, width);
  const top = inside(y * scale - height - 12, height);
  context.beginPath();
  context.roundRect(left, top, width, height, height / 2);
  context.fillStyle = "rgb(0 0 0 / 78%)";
  context.fill();
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.fillText(text, left + 8, top + height / 2 + 0.5);
}

function regionOf(labels, { name, ids }) {
  if (!regions.has(labels)) regions.set(labels, new Map());
  const known = regions.get(labels);
  if (!known.has(name)) known.set(name, labels.map((label) => (ids.includes(label) ? 255 : 0)));
  return known.get(name);
}

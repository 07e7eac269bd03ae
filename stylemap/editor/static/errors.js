/** Where the weights draw a picture badly, as the server's map of errors says: 0 ... 255, badly from 128 on. */

import { drawOutline, veilOf } from "./stage.js";

const BADLY = 128;
const SOFT = 12; // of the map: within it the hatching fades, so that its edge is no staircase
const TOO_MUCH = 0.5; // of a mask: of a part of a held-out face it takes so much in 1 of 50 cases, of what the weights do not know in 19 of 20
const GAP = 7; // CSS pixels between lines
const LARGEST = 2048; // pixels of the sheet, when the view is zoomed
const bad = new WeakMap(); // map -> mask

/** Hatches these places, light lines beside dark ones: that shows on every colour, and to every eye. */
export function drawErrors(context, errors, side, scale) {
  const mask = badPlaces(errors);
  const sheet = document.createElement("canvas");
  const density = Math.min(window.devicePixelRatio, LARGEST / (side * scale));
  sheet.width = sheet.height = Math.round(side * scale * density);
  const lines = sheet.getContext("2d");
  lines.scale(density, density);
  lines.lineWidth = 1.25;
  for (const [shift, colour] of [[0, "rgb(0 0 0 / 65%)"], [1.25, "rgb(255 255 255 / 85%)"]]) {
    lines.strokeStyle = colour;
    lines.beginPath();
    for (let x = shift - side * scale; x < side * scale; x += GAP) {
      lines.moveTo(x, side * scale);
      lines.lineTo(x + side * scale, 0);
    }
    lines.stroke();
  }
  lines.globalCompositeOperation = "destination-in";
  lines.imageSmoothingQuality = "high";
  lines.drawImage(veilOf(mask, side), 0, 0, side * scale, side * scale);
  context.drawImage(sheet, 0, 0, side * scale, side * scale);
  drawOutline(context, mask, side, new DOMMatrix([scale, 0, 0, scale, 0, 0]), "faint");
}

/** Whether much of what a mask takes is drawn badly. */
export function isBad(mask, errors) {
  let [all, badly] = [0, 0];
  mask.forEach((value, i) => {
    all += value;
    if (errors[i] >= BADLY) badly += value;
  });
  return badly > TOO_MUCH * all;
}

function badPlaces(errors) {
  if (!bad.has(errors)) bad.set(errors, errors.map((value) => Math.max(0, Math.min(255, 128 + (127 * (value - BADLY)) / SOFT))));
  return bad.get(errors);
}

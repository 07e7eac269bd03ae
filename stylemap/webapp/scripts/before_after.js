/** A photo before and after an edit in one picture, as `stylemap/photos/before_after.py` lays it out. */

import { canvasToFile } from "./photo.js";

const [GAP, LETTERS, SMALLEST, SHADE] = [64, 20, 8, 0.65]; // as there

/** @param {{data: Uint8ClampedArray, width: number, height: number}} before, after RGBA @param {"beside" | "split"} layout */
export function compose(before, after, layout, labels, format, quality) {
  const { width, height } = after;
  const isBeside = layout === "beside";
  const gap = Math.max(2, Math.floor(width / GAP));
  const second = isBeside ? width + gap : Math.floor(width / 2);
  const canvas = new OffscreenCanvas(isBeside ? 2 * width + gap : width, height);
  const context = canvas.getContext("2d");
  const [first, last] = [before, after].map(({ data }) => new ImageData(data, width, height));
  if (isBeside) {
    context.fillStyle = "#fff";
    context.fillRect(width, 0, gap, height);
    context.putImageData(first, 0, 0);
    context.putImageData(last, second, 0);
  } else {
    const line = Math.max(1, Math.floor(width / (4 * GAP)));
    context.putImageData(last, 0, 0);
    context.putImageData(first, 0, 0, 0, 0, second, height);
    context.fillStyle = "#fff";
    context.fillRect(second - ((line + 1) >> 1), 0, line, height);
  }
  if (labels) for (const [text, left] of [["Before", 0], ["After", second]]) write(context, text, left, height);
  return canvasToFile(canvas, format, quality);
}

function write(context, text, left, height) {
  const size = Math.max(SMALLEST, Math.floor(height / LETTERS));
  const margin = size >> 1;
  context.font = `${size}px system-ui, sans-serif`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  const [wide, high] = [Math.round(context.measureText(text).width) + 2 * margin, size + margin];
  const top = Math.max(0, height - high - margin);
  context.fillStyle = `rgba(0, 0, 0, ${SHADE})`;
  context.beginPath();
  context.roundRect(left + margin, top, wide, high, margin);
  context.fill();
  context.fillStyle = "#fff";
  context.fillText(text, left + margin + wide / 2, top + high / 2);
}

/** The outline of a mask: marching squares at half height, between the pixels' middles. */

import { channelOf } from "./mask.js";

const LEVEL = 127.5;
const FINE = 128; // masks smaller than this are enlarged first, for a round outline in place of steps
const outlines = new WeakMap(); // mask -> Path2D in pixels of the picture

/** @param {HTMLCanvasElement} veil the mask as the opacity of a picture: enlarged by the browser as it is shown */
export function outlineOf(mask, side, veil) {
  if (!outlines.has(mask)) outlines.set(mask, trace(mask, side, veil));
  return outlines.get(mask);
}

function trace(mask, side, veil) {
  const fine = Math.max(side, FINE);
  const values = fine === side ? mask : channelOf(veil, fine, 3);
  const pixel = side / fine;
  // Beyond the frame nothing is taken, so that regions are closed at its border.
  const at = (x, y) => (x < 0 || y < 0 || x >= fine || y >= fine ? 0 : values[y * fine + x]);
  const path = new Path2D();
  for (let y = -1; y < fine; y += 1) {
    for (let x = -1; x < fine; x += 1) {
      const [a, b, c, d] = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      const above = (a > LEVEL) + (b > LEVEL) + (c > LEVEL) + (d > LEVEL);
      if (above === 0 || above === 4) continue;
      const crossings = crossed(a, b, c, d, x + 0.5, y + 0.5);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        path.moveTo(crossings[i][0] * pixel, crossings[i][1] * pixel);
        path.lineTo(crossings[i + 1][0] * pixel, crossings[i + 1][1] * pixel);
      }
    }
  }
  return path;
}

/** Where the level crosses the four sides of a cell whose upper left corner is (x, y): 0, 2 or 4 points. */
function crossed(a, b, c, d, x, y) {
  const share = (from, to) => (LEVEL - from) / (to - from);
  const points = [];
  if (a > LEVEL !== b > LEVEL) points.push([x + share(a, b), y]);
  if (b > LEVEL !== c > LEVEL) points.push([x + 1, y + share(b, c)]);
  if (c > LEVEL !== d > LEVEL) points.push([x + share(d, c), y + 1]);
  if (d > LEVEL !== a > LEVEL) points.push([x, y + share(a, d)]);
  return points;
}

/** A picture on the page, with outlines over it. */

import { outlineOf } from "./outline.js";
import { View } from "./view.js";

// Small pictures are enlarged to this side first: cubic here, where the enlarging that CSS does is linear and shows a grid.
const SHOWN = 512;

export class Stage {
  #press = null; // the last one, and whether a hand has it
  #isTaken = false;
  #pictures = new Map(); // layer -> what is shown there

  /**
   * @param {(context: CanvasRenderingContext2D, scale: number) => void} draw paints the overlay, in CSS pixels from the picture's
   *   corner
   */
  constructor(element, side, draw) {
    this.side = side;
    this.element = element;
    this.overlay = element.querySelector(".overlay");
    this.draw = draw;
    this.shown = Math.max(side, SHOWN);
    for (const canvas of element.querySelectorAll("canvas:not(.overlay)")) canvas.width = canvas.height = this.shown;
    this.view = new View(this, () => {
      this.#pictures.forEach((picture, layer) => this.show(picture, layer));
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(element);
  }

  show(picture, layer = "after") {
    this.#pictures.set(layer, picture);
    const context = this.element.querySelector(`.${layer}`).getContext("2d");
    context.clearRect(0, 0, this.shown, this.shown);
    context.imageSmoothingQuality = "high";
    if (!picture) return;
    const { zoom, corner } = this.view;
    const { width, height } = picture;
    context.drawImage(picture, corner.x * width, corner.y * height, width / zoom, height / zoom, 0, 0, this.shown, this.shown);
  }

  /** CSS pixels of a pixel of the picture. */
  get scale() {
    return (this.element.clientWidth / this.side) * this.view.zoom;
  }

  /** Where an event is, in pixels of the picture. */
  pointOf(event) {
    const { x, y } = this.view.toPicture(this.view.shareOf(event));
    return { x: x * this.side, y: y * this.side };
  }

  /**
   * Presses and drags of one mouse, pen or finger. A second finger ends them without effect: two belong to the view.
   * @param {{down: (event: PointerEvent) => boolean, move: (event: PointerEvent) => void, up: () => void, cancel: () => void}} hand
   *   down: whether it takes hold
   */
  listen({ down, move, up, cancel }) {
    const { overlay } = this;
    let held = null; // the pointer
    const end = (then) => {
      held = null;
      then();
    };
    overlay.addEventListener("pointerdown", (event) => {
      if (held !== null && !event.isPrimary) end(cancel);
      if (held !== null || !event.isPrimary) return;
      const takes = down(event);
      if (this.#press !== event) [this.#press, this.#isTaken] = [event, false];
      this.#isTaken ||= Boolean(takes);
      this.view.press(this.#isTaken);
      if (!takes) return;
      event.preventDefault(); // no text selection; the focus is given by hand
      overlay.focus({ focusVisible: false });
      overlay.setPointerCapture(event.pointerId);
      held = event.pointerId;
    });
    overlay.addEventListener("pointermove", (event) => event.pointerId === held && move(event));
    overlay.addEventListener("pointerup", (event) => event.pointerId === held && end(up));
    overlay.addEventListener("pointercancel", (event) => event.pointerId === held && end(cancel));
  }

  holds({ x, y }) {
    return x >= 0 && y >= 0 && x <= this.side && y <= this.side;
  }

  /** The overlay anew, once before the next frame. */
  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      const size = this.element.clientWidth;
      const density = window.devicePixelRatio;
      const pixels = Math.round(size * density);
      if (this.overlay.width !== pixels) this.overlay.width = this.overlay.height = pixels;
      const context = this.overlay.getContext("2d");
      context.setTransform(density, 0, 0, density, 0, 0);
      context.clearRect(0, 0, size, size);
      const { zoom, corner } = this.view;
      context.translate(-corner.x * zoom * size, -corner.y * zoom * size);
      this.draw(context, this.scale);
    });
  }
}

const VEIL = 0.5; // opacity where a mask is full
const sheet = document.createElement("canvas");
const veils = new WeakMap(); // mask -> canvas whose opacity it is
export const GREEN = "rgb(20 200 170)";
export const AMBER = "rgb(255 176 32)";

/** A mask as a veil of colour. */
export function drawVeil(context, mask, side, scale, colour) {
  sheet.width = sheet.height = Math.max(side, SHOWN); // clears it too
  const paint = sheet.getContext("2d");
  paint.imageSmoothingQuality = "high";
  paint.drawImage(veilOf(mask, side), 0, 0, sheet.width, sheet.height);
  paint.globalCompositeOperation = "source-in";
  paint.fillStyle = colour;
  paint.fillRect(0, 0, sheet.width, sheet.height);
  context.globalAlpha = VEIL;
  context.drawImage(sheet, 0, 0, side * scale, side * scale);
  context.globalAlpha = 1;
}

/**
 * The outline of a mask, light on a dark rim so that it shows on every picture.
 * @param {DOMMatrix} matrix from pixels of the mask to CSS pixels
 * @param {"strong" | "faint"} look
 */
export function drawOutline(context, mask, side, matrix, look) {
  const path = new Path2D();
  path.addPath(outlineOf(mask, side, veilOf(mask, side)), matrix);
  context.lineCap = look === "strong" ? "round" : "butt"; // ends that overlap would show as dots where it is translucent
  context.globalAlpha = look === "strong" ? 1 : 0.5;
  context.strokeStyle = "rgb(0 0 0 / 55%)";
  context.lineWidth = look === "strong" ? 3.5 : 2.5;
  context.stroke(path);
  context.strokeStyle = "#fff";
  context.lineWidth = look === "strong" ? 1.75 : 1;
  context.stroke(path);
  context.globalAlpha = 1;
}

/** The brush, or the cursor of the keyboard. */
export function drawRing(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.lineWidth = 3;
  context.stroke();
  context.strokeStyle = "#fff";
  context.lineWidth = 1.25;
  context.stroke();
}

/** A mask as the opacity of a canvas. */
export function veilOf(mask, side) {
  if (!veils.has(mask)) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const pixels = new ImageData(side, side);
    const words = new Uint32Array(pixels.data.buffer); // alpha on top
    for (let i = 0; i < mask.length; i += 1) words[i] = (mask[i] << 24) | 0xffffff;
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    veils.set(mask, canvas);
  }
  return veils.get(mask);
}

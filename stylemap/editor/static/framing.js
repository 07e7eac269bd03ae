/**
 * The view in which a person chooses the square of a photo that the model sees: [left, top, length, degrees] in pixels of the photo, from
 * its upper left corner. It is turned clockwise about its middle, and may reach beyond the photo.
 */

import { answerOf, find } from "./widgets.js";

const SHOWN = 1600; // pixels of the photo's longer side, as it is shown
const MARGIN = 0.06; // around the photo, in its longer sides
const REACH = 24; // CSS pixels: so near a handle it is caught, by a finger too
const KNOB = 30; // CSS pixels from the square's upper edge to the handle that turns it
const LEAST = 16; // pixels, of a square
const WHEEL = 0.001; // the logarithm of the scale, for each pixel of the wheel
const STEPS = { move: 0.01, grow: 1.02, turn: 1, more: 10 }; // of a key; with Shift
const CORNERS = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** From pixels of a picture of ``side`` to pixels of the photo whose square it is. */
export function matrixOfCrop(square, side) {
  const { x, y } = centreOf(square);
  const [, , length, degrees] = square;
  return new DOMMatrix().translate(x, y).rotate(degrees).scale(length / side).translate(-side / 2, -side / 2);
}

/**
 * A photo to choose a square of, no larger than it is shown.
 * @param {Blob} file
 * @param {{width: number, height: number}} size of the photo, upright
 * @param {() => Promise<string>} ask for a picture of it: some files only the server can read
 */
export async function readPhoto(file, { width, height }, ask) {
  const scale = Math.min(1, SHOWN / Math.max(width, height));
  const size = { resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)) };
  try {
    const image = Object.assign(new Image(), { src: URL.createObjectURL(file) });
    await image.decode().finally(() => URL.revokeObjectURL(image.src));
    const isSame = image.naturalWidth === width && image.naturalHeight === height; // turned as the server turns it
    if (isSame) return await createImageBitmap(file, { ...size, resizeQuality: "high" });
  } catch {
    // asked for below
  }
  const image = Object.assign(new Image(), { src: await ask() });
  await image.decode();
  return createImageBitmap(image);
}

export class Framing {
  #hands = new Map(); // pointer -> where it is, in pixels of the photo
  #grip = null; // what the hands do: {drag: (points) => square}

  constructor() {
    this.dialog = find("#framing");
    this.canvas = find("#framing-stage");
    this.#listen();
  }

  /**
   * Answers the square that was chosen, or null.
   * @param {{title: string, photo: ImageBitmap, width: number, height: number, crop: number[], faces: Promise<number[][]>}} about
   */
  async choose({ title, photo, width, height, crop, faces }) {
    Object.assign(this, { photo, width, height, start: crop });
    find("#framing-title").textContent = title;
    this.#showFaces([]);
    const answer = answerOf(this.dialog);
    this.set(crop);
    this.#fit();
    this.canvas.focus({ focusVisible: false });
    faces.then((found) => this.photo === photo && this.#showFaces(found), () => {}); // they are a help, no more
    const isChosen = (await answer) === "apply" && this.square.some((value, i) => value !== crop[i]);
    this.photo = null;
    return isChosen ? this.square : null;
  }

  /** The largest square in the middle. */
  get #central() {
    const { width, height } = this;
    const length = Math.min(width, height);
    return [Math.floor((width - length) / 2), Math.floor((height - length) / 2), length, 0];
  }

  set(square) {
    const inside = (value, least, most) => Math.min(most, Math.max(least, value));
    const { width, height } = this;
    const { x, y } = centreOf(square);
    const length = inside(square[2], LEAST, 2 * Math.max(width, height));
    const turn = ((square[3] + 180) % 360 + 360) % 360 - 180;
    this.square = squareAround({ x: inside(x, 0, width), y: inside(y, 0, height) }, length, turn);
    find("#framing-turn").value = turn;
    find("#framing-turn + output").textContent = `${turn.toFixed(1)}°`;
    this.#redraw();
  }

  #showFaces(faces) {
    const named = faces.map((face, i) => [faces.length > 1 ? `Face ${i + 1}` : "Face", face]);
    const buttons = [...named, ["Centre", this.#central]].map(([text, square]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => this.#settle(square));
      return button;
    });
    find("#framing-faces").replaceChildren(...buttons);
  }

  #settle(square) {
    this.set(square);
    this.#fit();
  }

  // ---- what hands do

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#up(event));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#scale(Math.exp(-event.deltaY * (event.deltaMode ? 30 : 1) * WHEEL));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    find("#framing-turn").addEventListener("input", ({ target }) => {
      this.set([...this.square.slice(0, 3), Number(target.value)]);
    });
    find("#framing-turn").addEventListener("change", () => this.#fit());
    find("#framing-reset").addEventListener("click", () => this.#settle(this.start));
    new ResizeObserver(() => this.photo && this.#fit()).observe(canvas);
  }

  #down(event) {
    if (event.button !== 0 || this.#hands.size === 2) return;
    event.preventDefault();
    this.canvas.focus({ focusVisible: false });
    this.canvas.setPointerCapture(event.pointerId);
    this.#hands.set(event.pointerId, this.#pointOf(event));
    this.#begin(event);
  }

  #move(event) {
    if (!this.#hands.has(event.pointerId)) {
      const grip = this.#gripAt(event);
      this.canvas.style.cursor = { turn: "grab", move: "move" }[grip] ?? "nwse-resize";
      return;
    }
    this.#hands.set(event.pointerId, this.#pointOf(event));
    this.set(this.#grip([...this.#hands.values()], event.shiftKey));
  }

  #up(event) {
    if (!this.#hands.delete(event.pointerId)) return;
    if (this.#hands.size) this.#begin(event, "move"); // one finger of two goes on
    else this.#fit();
  }

  /** What the hands that are down will do to the square as it is now. */
  #begin(event, how = this.#gripAt(event)) {
    const [left, top, length, degrees] = this.square;
    const middle = centreOf(this.square);
    const from = [...this.#hands.values()];
    if (from.length === 2) {
      const [between, held] = [difference(from[0], from[1]), middleOf(...from)];
      this.#grip = (to) => {
        const now = difference(to[0], to[1]);
        const scale = Math.hypot(now.x, now.y) / Math.max(1, Math.hypot(between.x, between.y));
        const turn = angleOf(now) - angleOf(between);
        const way = new DOMMatrix().rotate(turn).scale(scale).transformPoint(difference(held, middle));
        const goal = middleOf(...to);
        return squareAround({ x: goal.x + way.x, y: goal.y + way.y }, length * scale, degrees + turn);
      };
    } else if (how === "turn") {
      const before = angleOf(difference(middle, from[0]));
      this.#grip = ([to], isStepped) => {
        const turned = degrees + angleOf(difference(middle, to)) - before;
        return [left, top, length, isStepped ? Math.round(turned / 15) * 15 : turned];
      };
    } else if (how === "move") {
      this.#grip = ([to]) => [left + to.x - from[0].x, top + to.y - from[0].y, length, degrees];
    } else {
      // The opposite corner stays; the corner keeps its distance from the hand.
      const way = new DOMMatrix().rotate(degrees).transformPoint(new DOMPoint(how[0] / 2, how[1] / 2));
      const fixed = { x: middle.x - way.x * length, y: middle.y - way.y * length };
      this.#grip = ([to]) => {
        const along = (to.x - from[0].x) * way.x + (to.y - from[0].y) * way.y; // |way| is half a diagonal of the unit square
        const longer = Math.max(LEAST, length + along);
        return squareAround({ x: fixed.x + way.x * longer, y: fixed.y + way.y * longer }, longer, degrees);
      };
    }
  }

  /** "turn", "move" or a corner. */
  #gripAt(event) {
    const point = this.#pointOf(event);
    const near = ({ x, y }) => Math.hypot(x - point.x, y - point.y) * this.view.scale < REACH;
    if (near(this.#knob)) return "turn";
    return CORNERS.find((corner) => near(this.#corner(corner))) ?? "move";
  }

  #key(event) {
    const [left, top, length, degrees] = this.square;
    const times = event.shiftKey ? STEPS.more : 1;
    const turn = { ",": -1, "<": -STEPS.more, ".": 1, ">": STEPS.more }[event.key];
    if (MOVES[event.key]) {
      const step = STEPS.move * times * length;
      this.#settle([left + MOVES[event.key][0] * step, top + MOVES[event.key][1] * step, length, degrees]);
    } else if (turn) this.#settle([left, top, length, degrees + turn * STEPS.turn]);
    else if (["+", "=", "-", "_"].includes(event.key)) this.#scale("+=".includes(event.key) ? STEPS.grow : 1 / STEPS.grow);
    else if (event.key === "0") this.#settle(this.start);
    else if (event.key === "Enter") this.dialog.close("apply");
    else return;
    event.preventDefault();
  }

  #scale(by) {
    const [, , length, degrees] = this.square;
    this.#settle(squareAround(centreOf(this.square), length * by, degrees));
  }

  // ---- where things are

  #corner([right, down]) {
    return matrixOfCrop(this.square, 2).transformPoint(new DOMPoint(1 + right, 1 + down));
  }

  /** Above the square, or within it where there is no room above. */
  get #knob() {
    const { scale } = this.view;
    const at = (down) => matrixOfCrop(this.square, this.square[2] * scale).transformPoint(new DOMPoint((this.square[2] * scale) / 2, down));
    const above = at(-KNOB);
    const { x, y } = this.#shown(above);
    const isSeen = x > 8 && y > 8 && x < this.canvas.clientWidth - 8 && y < this.canvas.clientHeight - 8;
    return isSeen ? above : at(KNOB);
  }

  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const { scale, left, top } = this.view;
    return { x: (event.clientX - box.left - left) / scale, y: (event.clientY - box.top - top) / scale };
  }

  #shown({ x, y }) {
    const { scale, left, top } = this.view;
    return { x: x * scale + left, y: y * scale + top };
  }

  /** Shows all of the photo and of the square; not while a hand moves it, or it would run away. */
  #fit() {
    if (this.#hands.size) return;
    const { width, height, canvas } = this;
    const margin = MARGIN * Math.max(width, height);
    const points = CORNERS.map((corner) => this.#corner(corner));
    const [left, right] = bounds([-margin, width + margin, ...points.map(({ x }) => x)]);
    const [top, bottom] = bounds([-margin, height + margin, ...points.map(({ y }) => y)]);
    const scale = Math.min(canvas.clientWidth / (right - left), canvas.clientHeight / (bottom - top));
    this.view = {
      scale,
      left: (canvas.clientWidth - (left + right) * scale) / 2,
      top: (canvas.clientHeight - (top + bottom) * scale) / 2,
    };
    this.#redraw();
  }

  #redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.photo || !this.view) return;
      this.#draw(contextOf(this.canvas));
      this.#preview(contextOf(find("#framing-preview")));
    });
  }

  #draw(context) {
    const { scale, left, top } = this.view;
    const { clientWidth, clientHeight } = this.canvas;
    context.drawImage(this.photo, left, top, this.width * scale, this.height * scale);
    const corners = CORNERS.map((corner) => this.#shown(this.#corner(corner)));
    const square = new Path2D();
    corners.forEach(({ x, y }) => square.lineTo(x, y));
    square.closePath();
    const outside = new Path2D();
    outside.rect(0, 0, clientWidth, clientHeight);
    outside.addPath(square);
    context.fillStyle = "rgb(10 14 12 / 62%)";
    context.fill(outside, "evenodd");
    const knob = this.#shown(this.#knob);
    const edge = middleOf(corners[0], corners[1]);
    square.moveTo(edge.x, edge.y);
    square.lineTo(knob.x, knob.y);
    for (const [style, width] of [["rgb(0 0 0 / 55%)", 3.5], ["#fff", 1.75]]) {
      Object.assign(context, { strokeStyle: style, lineWidth: width });
      context.stroke(square);
    }
    for (const [i, { x, y }] of [...corners, knob].entries()) {
      context.beginPath();
      context.arc(x, y, i === 4 ? 8 : 7, 0, 2 * Math.PI);
      Object.assign(context, { fillStyle: i === 4 ? "#14c8aa" : "#fff", strokeStyle: "rgb(0 0 0 / 55%)", lineWidth: 1.5 });
      context.fill();
      context.stroke();
    }
  }

  /** The square as the model gets it, upright. */
  #preview(context) {
    const side = find("#framing-preview").clientWidth;
    const matrix = matrixOfCrop(this.square, side).inverse();
    context.transform(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f);
    context.drawImage(this.photo, 0, 0, this.width, this.height);
  }
}

/** A context in CSS pixels, of a canvas that is as fine as the screen, and empty. */
function contextOf(canvas) {
  const density = window.devicePixelRatio;
  [canvas.width, canvas.height] = [canvas.clientWidth * density, canvas.clientHeight * density];
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.imageSmoothingQuality = "high";
  return context;
}

const centreOf = ([left, top, length]) => ({ x: left + length / 2, y: top + length / 2 });
const squareAround = ({ x, y }, length, degrees) => [x - length / 2, y - length / 2, length, degrees];
const difference = (from, to) => new DOMPoint(to.x - from.x, to.y - from.y);
const middleOf = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
const angleOf = ({ x, y }) => (Math.atan2(y, x) * 180) / Math.PI;
const bounds = (values) => [Math.min(...values), Math.max(...values)];

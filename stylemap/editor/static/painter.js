/** Painting a mask on a stage with the chosen tool: by mouse, finger, pen or keyboard. */

import { Lasso } from "./lasso.js";
import { emptyMask, isEmpty, paintBox, paintStroke, togglePart } from "./mask.js";
import { flash, say } from "./notices.js";
import { drawPart, partAt, plainName } from "./parts.js";
import { lay, polygon, similar, soften } from "./selecting.js";
import { drawRing } from "./stage.js";

const BUTTONS = { left: 0, right: 2 };
// Tools that paint, and what undo calls what they do.
export const STEPS = { brush: "brush stroke", eraser: "eraser stroke", box: "box", lasso: "lasso", wand: "wand", part: "part" };

export class Painter {
  /**
   * @param {{mask: () => Uint8Array | null, set: (mask: Uint8Array, how: object) => void, picture: () => object,
   *   enabled: () => boolean}} target whose mask is painted; picture: the one under it, for its parts
   */
  constructor(editor, stage, target) {
    Object.assign(this, { editor, stage, target });
    this.cursor = null; // {x, y, visible by} where the brush is
    this.stroke = null; // what is being painted: {from, base, erase, tool}
    this.lasso = null; // the polygon that is not closed yet
    this.pointed = null; // {part, tapped}: that of a button, or one that a finger has tapped once, and where
    const { overlay } = stage;
    overlay.addEventListener("pointermove", (event) => event.isPrimary && this.#move(event)); // first: a stroke begins there
    stage.listen({
      down: (event) => this.#down(event),
      move: (event) => this.#draw(event),
      up: () => (this.lasso ? this.#release() : this.#end()),
      cancel: () => (this.lasso ? this.#keepLasso(this.lasso.cancel()) : this.#abandon()),
    });
    overlay.addEventListener("pointerleave", () => this.#leave());
    overlay.addEventListener("contextmenu", (event) => event.preventDefault());
    overlay.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    overlay.addEventListener("keydown", (event) => this.#key(event));
    overlay.addEventListener("blur", () => this.#leave());
    overlay.addEventListener("dblclick", () => this.lasso && this.#close());
    const isOver = () => this.lasso && (editor.view.tool !== "lasso" || this.lasso.picture !== target.picture());
    for (const name of ["view", "pictures"]) editor.addEventListener(name, () => isOver() && this.#keepLasso(false));
    for (const name of ["edit", "view", "pictures"]) editor.addEventListener(name, () => this.pointed?.tapped && this.point(null));
  }

  get painting() {
    return this.stroke !== null;
  }

  /** Shows where a part is; null: none. @param {{x: number, y: number} | null} tapped where a finger has tapped it */
  point(part, tapped = null) {
    this.pointed = part ? { part, tapped } : null;
    this.stage.redraw();
  }

  draw(context, scale) {
    const { tool } = this.editor.view;
    this.#drawPart(context, scale);
    if (this.lasso) this.lasso.draw(context, scale, this.cursor);
    if (!this.target.enabled() || !this.cursor) return;
    const [x, y] = [this.cursor.x * scale, this.cursor.y * scale];
    if (tool === "brush" || tool === "eraser") drawRing(context, x, y, this.editor.brush.radius * scale);
    else if (this.cursor.byKeyboard) drawRing(context, x, y, 5);
  }

  #drawPart(context, scale) {
    const picture = this.target.picture();
    const part = this.pointed?.part ?? (this.target.enabled() && this.cursor && this.#partAt(this.cursor));
    const isShown = Boolean(part && picture?.labels);
    this.stage.overlay.dataset.part = isShown ? plainName(part) : ""; // for tests
    if (!isShown) return;
    const text = plainName(part) + (this.pointed?.tapped ? ": tap again" : "");
    drawPart(context, picture, part, this.editor.side, scale, this.pointed ? this.pointed.tapped : this.cursor, text);
  }

  /** With the part tool, what a click at a point would take. */
  #partAt(point) {
    const { view, side, info } = this.editor;
    return view.tool === "part" ? partAt(this.target.picture(), point, side, info.parts) : undefined;
  }

  /** A finger hovers over nothing: the first tap shows the part, the second takes it. Answers whether this is the first. */
  #taps({ pointerType }) {
    const part = pointerType === "touch" && this.#partAt(this.cursor);
    if (!part || this.pointed?.part === part) return false;
    this.point(part, this.cursor);
    return true;
  }

  #down(event) {
    if (!this.target.enabled() || !Object.values(BUTTONS).includes(event.button) || this.stroke) return false;
    this.cursor = this.stage.pointOf(event);
    if (this.#taps(event)) return true;
    const erase = event.altKey || event.button === BUTTONS.right;
    if (this.editor.view.tool === "lasso") this.#press(erase);
    else this.#begin(this.cursor, erase, event.timeStamp);
    return true;
  }

  #move(event) {
    this.cursor = this.stage.pointOf(event);
    this.stage.redraw();
  }

  #draw(event) {
    // A fast hand moves several times in a frame: all of the way is painted, the picture asked for once.
    const way = event.getCoalescedEvents?.() ?? [];
    const points = way.length > 1 ? way.map((e) => this.stage.pointOf(e)) : [this.cursor];
    if (this.lasso) this.lasso.drag(points, this.stage.scale);
    else if (this.stroke) this.#to(points, event.timeStamp);
  }

  #leave() {
    this.cursor = null;
    this.stage.redraw();
  }

  #wheel(event) {
    if (!this.target.enabled() || !event.altKey) return; // else the view zooms
    event.preventDefault();
    this.editor.resizeBrush(event.deltaY < 0 ? 1.1 : 1 / 1.1);
  }

  #key(event) {
    if (!this.target.enabled()) return;
    const { side } = this.editor;
    const step = side / (event.shiftKey ? 8 : 32);
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[event.key]) {
      const [dx, dy] = ways[event.key];
      const { x, y } = this.cursor ?? { x: side / 2 - dx * step, y: side / 2 - dy * step };
      const inside = (value) => Math.min(side, Math.max(0, value));
      const before = this.cursor && this.#partAt(this.cursor);
      this.cursor = { x: inside(x + dx * step), y: inside(y + dy * step), byKeyboard: true };
      this.stage.view.reveal({ x: this.cursor.x / side, y: this.cursor.y / side });
      const part = this.#partAt(this.cursor);
      if (part && part !== before) say(plainName(part));
      if (this.stroke) this.#to([this.cursor], event.timeStamp);
    } else if (event.key === " " && (!this.cursor || this.cursor.byKeyboard)) {
      // with the mouse over it, Space and a drag move the view
      this.cursor ??= { x: side / 2, y: side / 2, byKeyboard: true };
      this.#space(event);
    } else if (event.key === "Escape" && this.stroke) {
      this.#abandon();
    } else if (this.lasso && ["Enter", "Escape", "Backspace"].includes(event.key)) {
      if (event.key === "Enter") this.#close();
      else this.#keepLasso(event.key === "Backspace" && this.lasso.back());
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.stage.redraw();
  }

  /** A box has two corners: the first space sets one, the second the other. A lasso has many. */
  #space({ altKey, timeStamp }) {
    if (this.editor.view.tool === "lasso") {
      this.#press(altKey);
      this.#release();
      return;
    }
    if (this.stroke) this.#end();
    else this.#begin(this.cursor, altKey, timeStamp);
    if (this.stroke && this.stroke.tool !== "box") this.#end();
  }

  #begin(from, eraseInstead, since) {
    const { tool } = this.editor.view;
    const base = this.target.mask() ?? emptyMask(this.editor.side);
    this.stroke = { from, base, tool, erase: eraseInstead || tool === "eraser", region: emptyMask(this.editor.side) };
    if (tool === "part") this.#takePart(from, since);
    else this.#to([from], since);
  }

  #to(points, since) {
    const { base, from, tool, erase } = this.stroke;
    const { side, brush } = this.editor;
    if (tool === "part") return;
    let mask = base;
    if (tool === "wand") {
      mask = this.#similar(points);
    } else if (tool === "box") {
      mask = paintBox(base, side, from, points.at(-1), erase);
    } else {
      let last = from;
      for (const point of points) {
        mask = paintStroke(mask, side, last, point, { ...brush, erase });
        last = point;
      }
      Object.assign(this.stroke, { base: mask, from: last });
    }
    this.target.set(mask, { commit: false, since });
  }

  /** What has the colours that the wand has touched, over what there was. */
  #similar(points) {
    const { stroke } = this;
    const { side, view } = this.editor;
    const row = (y) => Math.min(side - 1, Math.max(0, Math.floor(y)));
    for (const { x, y } of points) {
      const i = row(y) * side + row(x);
      if (!stroke.region[i]) stroke.region = lay(stroke.region, similar(this.target.picture().photo, side, i, view.tolerance));
    }
    return lay(stroke.base, soften(stroke.region, side, view.softness), stroke.erase);
  }

  #press(erase) {
    this.lasso ??= new Lasso(erase, this.target.picture());
    this.lasso.press(this.cursor, this.stage.scale);
  }

  #release() {
    if (this.lasso.release()) this.#close();
    else if (this.lasso.points.length === 1) flash("Click around it. Enter or the first corner closes the lasso.");
    this.stage.redraw();
  }

  #close() {
    const { points, erase } = this.lasso;
    const { side, view } = this.editor;
    this.#keepLasso(false);
    const region = polygon(points, side);
    if (isEmpty(region)) return;
    const mask = lay(this.target.mask() ?? emptyMask(side), soften(region, side, view.softness), erase);
    this.target.set(mask, { what: STEPS.lasso });
  }

  #keepLasso(isKept) {
    if (!isKept) this.lasso = null;
    this.stage.redraw();
  }

  #takePart(point, since) {
    const part = this.#partAt(point);
    if (!part) return;
    const { labels } = this.target.picture();
    const { base, erase } = this.stroke;
    this.stroke.what = plainName(part);
    this.target.set(togglePart(base, labels, part.ids, erase ? "erase" : "toggle"), { commit: false, since });
  }

  #end() {
    if (!this.stroke) return;
    const { tool, erase, what } = this.stroke;
    this.stroke = null;
    this.editor.commit(what ?? (erase && tool === "brush" ? STEPS.eraser : STEPS[tool]));
  }

  #abandon() {
    if (!this.stroke) return;
    this.stroke = null;
    this.editor.cancel();
  }
}

/** The edited picture: dragging regions in it, painting where sliders work. */

import { Comparison } from "./compare.js";
import { drawErrors, isBad } from "./errors.js";
import { isEmpty } from "./mask.js";
import { Painter, STEPS } from "./painter.js";
import { matrixOf, nextScale } from "./placement.js";
import { AMBER, Stage, drawOutline, drawVeil } from "./stage.js";

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }; // down, right

export class ResultPane {
  constructor(editor, { mover, choose }) {
    Object.assign(this, { editor, mover });
    this.stage = new Stage(document.querySelector("#result-stage"), editor.side, (...args) => this.#draw(...args));
    this.hovered = false;
    mover.target = this.stage;
    this.comparison = new Comparison(editor, this.stage); // listens first: its line lies over all else
    this.painter = new Painter(editor, this.stage, {
      mask: () => editor.edit.selection,
      set: (selection, how) => editor.change({ selection }, how),
      picture: () => editor.pictures.get("original"),
      enabled: () => this.#selects() && !this.comparison.dragging,
    });
    mover.listen(this.stage, (event) => this.#grab(event));
    this.#listen();
    editor.addEventListener("pictures", () => this.stage.view.fit());
    document.querySelector("#change-original").addEventListener("click", () => choose("original"));
    for (const name of ["edit", "view", "pictures"]) editor.addEventListener(name, () => this.#refresh());
    this.#refresh();
  }

  show(picture) {
    this.stage.show(picture);
  }

  /** Whether the pointer paints where sliders work, rather than moves regions. */
  #selects() {
    return this.editor.edit.limited && this.editor.view.tool in STEPS;
  }

  /** Whether a press takes hold of a region; the one under the pointer becomes the active one. */
  #grab(event) {
    if (this.#selects() || this.comparison.dragging) return false;
    const slot = this.mover.regionAt(this.stage.pointOf(event));
    if (slot !== null) this.editor.look({ active: slot });
    return slot !== null || (this.editor.view.tool === "move" && this.editor.isPainted);
  }

  #listen() {
    const { overlay } = this.stage;
    overlay.addEventListener("pointermove", (event) => {
      this.hovered = true;
      overlay.dataset.tool = this.#cursor(event);
      this.stage.redraw();
    });
    overlay.addEventListener("pointerleave", () => {
      this.hovered = false;
      this.stage.redraw();
    });
    overlay.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    overlay.addEventListener("keydown", (event) => this.#key(event));
    overlay.addEventListener("keyup", (event) => event.key in ARROWS && this.editor.commit());
  }

  #cursor(event) {
    if (this.comparison.holds(event)) return "compare";
    if (this.#selects()) return this.editor.view.tool;
    return this.mover.dragging || this.mover.regionAt(this.stage.pointOf(event)) !== null ? "grab" : "rest";
  }

  #wheel(event) {
    if (this.#selects() || !event.altKey || !this.editor.isPainted) return; // else the view zooms
    event.preventDefault();
    this.editor.changePatch({ scale: nextScale(this.editor.patch.scale, event.deltaY < 0 ? 1 : -1) });
  }

  #key(event) {
    if (this.#selects() || !(event.key in ARROWS) || !this.editor.isPainted) return;
    event.preventDefault();
    const step = (this.editor.side / 32) * (event.shiftKey ? 4 : 1);
    const [down, right] = ARROWS[event.key];
    this.mover.nudge(down * step, right * step, { commit: false, since: event.timeStamp });
  }

  #draw(context, scale) {
    const { edit, side, view, pictures } = this.editor;
    if (view.errors && pictures.has("original")) drawErrors(context, pictures.get("original").errors, side, scale);
    const enlarge = new DOMMatrix([scale, 0, 0, scale, 0, 0]);
    if (edit.limited && !isEmpty(edit.selection)) {
      // The veil would hide what the sliders do: it is there while one paints.
      const painting = this.#selects() && this.hovered;
      if (painting) drawVeil(context, edit.selection, side, scale, AMBER);
      drawOutline(context, edit.selection, side, enlarge, painting ? "strong" : "faint");
    }
    edit.patches.forEach((patch, slot) => {
      if (isEmpty(patch.mask) || !pictures.has(slot) || view.before > 0) return;
      const awake = slot === view.active && (this.hovered || this.mover.dragging || view.tool === "move");
      drawOutline(context, patch.mask, side, enlarge.multiply(matrixOf(patch, side)), awake ? "strong" : "faint");
    });
    this.painter.draw(context, scale);
  }

  #refresh() {
    const { isPainted, edit, pictures, view } = this.editor;
    const original = pictures.get("original");
    const tip = view.errors ? "Hatched: these weights draw it badly." : isPainted ? "Drag the outlined part to another place." : "";
    document.querySelector("#tip").textContent = tip;
    const warns = edit.limited && !isEmpty(edit.selection) && original && isBad(edit.selection, original.errors);
    document.querySelector("#result-hint").textContent = warns ? "These weights draw this place badly. Sliders will redraw it." : "";
    this.stage.redraw();
  }
}

/** Dragging a region of the reference to another place of the original. */

import { isEmpty } from "./mask.js";
import { isInside, matrixOf } from "./placement.js";

export class Mover {
  constructor(editor) {
    this.editor = editor;
    this.target = null; // the stage of the result: where regions land
    this.drag = null;
  }

  get dragging() {
    return this.drag !== null;
  }

  /** The region at a point of the original: the one on top, or null. */
  regionAt(point) {
    const { edit, side, pictures } = this.editor;
    const hit = (patch, slot) => pictures.has(slot) && !isEmpty(patch.mask) && isInside(patch, side, point);
    const slot = edit.patches.findLastIndex(hit);
    return slot < 0 ? null : slot;
  }

  /** Lets regions be dragged from a stage: from the result, or out of the reference over to it. */
  listen(stage, enabled) {
    stage.listen({
      down: (event) => event.button === 0 && !this.drag && enabled(event) && this.#begin(stage, event),
      move: (event) => this.#move(event),
      up: () => this.#end(() => this.editor.commit()),
      cancel: () => this.#end(() => this.editor.cancel()),
    });
  }

  nudge(down, right, how) {
    const { shift } = this.editor.patch;
    this.editor.changePatch({ shift: [shift[0] + down, shift[1] + right] }, how);
  }

  #begin(stage, event) {
    const { patch, side } = this.editor;
    const point = stage.pointOf(event);
    // Out of the reference, the pointer holds what it grabbed there; in the result, what it sees.
    const grabbed = stage === this.target ? point : matrixOf(patch, side).transformPoint(new DOMPoint(point.x, point.y));
    this.drag = { stage, grabbed, shift: patch.shift };
    this.target.redraw();
    return true;
  }

  #move(event) {
    const { stage, grabbed, shift } = this.drag;
    const point = this.target.pointOf(event);
    if (stage !== this.target && !this.target.holds(point)) return;
    const [down, right] = [point.y - grabbed.y, point.x - grabbed.x];
    const straight = event.shiftKey && stage === this.target; // Shift: along one axis
    this.editor.changePatch(
      {
        shift: [
          shift[0] + (straight && Math.abs(down) < Math.abs(right) ? 0 : down),
          shift[1] + (straight && Math.abs(right) <= Math.abs(down) ? 0 : right),
        ],
      },
      { commit: false, since: event.timeStamp },
    );
  }

  #end(settle) {
    this.drag = null;
    settle();
    this.target.redraw();
  }
}

/**
 * The state of the page: the edit with its pictures and its history, and how they are looked at.
 * Fires "edit", "view" and "pictures".
 */

import { History } from "./history.js";
import { newEdit, withPatch, withoutPatches } from "./edit.js";
import { isEmpty } from "./mask.js";
import { settledCentre } from "./placement.js";
import { nameOfStep } from "./steps.js";

export const BRUSH = { least: 0.02, most: 0.4 }; // radius, in sides of the picture
export const TOLERANCE = { least: 1, most: 60 }; // of the wand, in CIELAB

export class Editor extends EventTarget {
  constructor(info) {
    super();
    this.info = info;
    this.side = info.resolution; // R, pixels
    this.history = new History(newEdit(info.references));
    this.saved = this.history.now;
    this.view = {
      active: 0, // the reference that is painted on
      tool: "brush",
      radius: 0.1, // of the brush, in sides of the picture
      softness: 0.5,
      tolerance: 12, // of the wand
      before: 0, // share of the result that is covered by the original
      beforeIs: "photo",
      errors: false, // shows where the weights draw pictures badly
    };
  }

  get edit() {
    return this.history.now;
  }

  /** Part of the edit: a picture that is chosen or removed is a step of undo as any other. */
  get pictures() {
    return this.edit.pictures;
  }

  get patch() {
    return this.edit.patches[this.view.active];
  }

  get isPainted() {
    return !isEmpty(this.patch.mask);
  }

  get brush() {
    return { radius: Math.max(0.75, this.view.radius * this.side), softness: this.view.softness };
  }

  get references() {
    return [...this.pictures.keys()].filter((slot) => slot !== "original").sort((a, b) => a - b);
  }

  get freeSlots() {
    return Array.from({ length: this.info.references }, (_, slot) => slot).filter((slot) => !this.pictures.has(slot));
  }

  get isUnsaved() {
    return this.edit !== this.saved;
  }

  /** Whether a picture that is painted on has labels: without them there are no parts to take. */
  get knowsParts() {
    const { pictures, view, edit } = this;
    return Boolean(pictures.get(view.active)?.labels || (edit.limited && pictures.get("original")?.labels));
  }

  /**
   * @param {{commit?: boolean, since?: number, what?: string}} how commit: a step of undo; since: when the person began it; what:
   *   as in `commit`
   */
  change(changes, { commit = true, since, what } = {}) {
    const edit = { ...this.edit, ...changes };
    if (commit) this.#commit(edit, what, since);
    else this.#step(() => this.history.show(edit), since);
  }

  changePatch(changes, how = {}) {
    const patch = { ...this.patch, ...changes };
    const centre = settledCentre(patch, this.side);
    this.change({ patches: withPatch(this.edit, this.view.active, { ...changes, centre }).patches }, how);
  }

  /** Makes what was shown a step of undo. @param {string} [what] the hand did to a mask */
  commit(what) {
    this.#commit(this.edit, what);
  }

  cancel() {
    this.#step(() => this.history.cancel());
  }

  /** Answers what was undone, or null. */
  undo() {
    const name = this.history.undoName;
    this.#step(() => this.history.undo());
    return name;
  }

  redo() {
    const name = this.history.redoName;
    this.#step(() => this.history.redo());
    return name;
  }

  look(changes) {
    Object.assign(this.view, changes);
    this.#fire("view");
  }

  /** Of the brush its radius, of the wand its tolerance. */
  resizeBrush(factor) {
    const [name, { least, most }] = this.view.tool === "wand" ? ["tolerance", TOLERANCE] : ["radius", BRUSH];
    this.look({ [name]: Math.min(most, Math.max(least, this.view[name] * factor)) });
  }

  setPicture(slot, picture) {
    const pictures = new Map(this.pictures).set(slot, picture);
    if (this.pictures.has("original") || slot !== "original") this.change({ pictures });
    else this.replace({ ...this.edit, pictures }); // before the first original there is nothing to come back to
  }

  removeReference(slot) {
    const pictures = new Map(this.pictures);
    pictures.delete(slot);
    this.change({ ...withoutPatches(this.edit, slot), pictures });
  }

  /** Forgets the region of the reference that is painted on. */
  clear() {
    this.change(withoutPatches(this.edit, this.view.active));
  }

  /** Everything anew, without a past: at first, from a project, or from what was kept. */
  replace(edit, { isSaved = true } = {}) {
    this.history = new History(edit);
    this.saved = isSaved ? edit : null;
    this.view.tool = "brush";
    this.view.active = this.references.find((slot) => !isEmpty(edit.patches[slot].mask)) ?? this.references[0] ?? 0;
    this.#fire("pictures");
    this.#fire("edit");
  }

  markSaved(edit) {
    this.saved = edit;
  }

  #commit(edit, what, since) {
    const name = nameOfStep(this.history.settled, edit, what);
    this.#step(() => this.history.commit(edit, name), since);
  }

  #step(move, since) {
    const before = this.pictures;
    move();
    if (this.pictures !== before) {
      const { active } = this.view;
      const fresh = this.references.find((slot) => this.pictures.get(slot) !== before.get(slot));
      this.view.active = fresh ?? (this.pictures.has(active) ? active : (this.references[0] ?? 0));
      this.#fire("pictures");
    }
    this.#fire("edit", since);
  }

  #fire(name, since) {
    if (this.view.tool === "part" && !this.knowsParts) this.view.tool = "brush"; // the labels have gone
    this.dispatchEvent(Object.assign(new Event(name), { since }));
  }
}

/**
 * The state of the page: the edit with its history, the pictures, and how they are looked at.
 * Fires "edit", "view" and "pictures".
 */

import { History } from "./history.js";
import { newEdit, newPatch, withPatch } from "./edit.js";
import { isEmpty } from "./mask.js";
import { settledCentre } from "./placement.js";

export class Editor extends EventTarget {
  constructor(info) {
    super();
    this.info = info;
    this.side = info.resolution; // R, pixels
    this.pictures = new Map(); // "original", 0, 1, ... -> what Session.putPicture answers
    this.history = new History(newEdit(info.references));
    this.saved = this.history.now;
    this.view = {
      active: 0, // the reference that is painted on
      tool: "brush",
      radius: 0.1, // of the brush, in sides of the picture
      softness: 0.5,
      before: 0, // share of the result that is covered by the original
      beforeIs: "photo",
    };
  }

  get edit() {
    return this.history.now;
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

  /** @param {{commit?: boolean, since?: number}} how commit: a step of undo; since: when the person began it */
  change(changes, { commit = true, since } = {}) {
    const edit = { ...this.edit, ...changes };
    if (commit) this.history.commit(edit);
    else this.history.preview(edit);
    this.#fire("edit", since);
  }

  changePatch(changes, how = {}) {
    const patch = { ...this.patch, ...changes };
    const centre = settledCentre(patch, this.side);
    this.change({ patches: withPatch(this.edit, this.view.active, { ...changes, centre }).patches }, how);
  }

  /** Makes what was shown a step of undo. */
  commit() {
    this.history.commit();
    this.#fire("edit");
  }

  cancel() {
    this.history.cancel();
    this.#fire("edit");
  }

  undo() {
    this.history.undo();
    this.#fire("edit");
  }

  redo() {
    this.history.redo();
    this.#fire("edit");
  }

  look(changes) {
    Object.assign(this.view, changes);
    this.#fire("view");
  }

  setPicture(slot, picture) {
    this.pictures.set(slot, picture);
    if (slot !== "original") this.view.active = slot;
    this.#fire("pictures");
  }

  removeReference(slot) {
    this.pictures.delete(slot);
    this.change({ patches: withPatch(this.edit, slot, newPatch()).patches });
    if (this.view.active === slot) this.view.active = this.references[0] ?? 0;
    this.#fire("pictures");
  }

  /** Everything anew, from a project. */
  replace(edit, pictures) {
    this.pictures = pictures;
    this.history = new History(edit);
    this.saved = edit;
    this.view.active = this.references.find((slot) => !isEmpty(edit.patches[slot].mask)) ?? this.references[0] ?? 0;
    this.#fire("pictures");
    this.#fire("edit");
  }

  markSaved() {
    this.saved = this.edit;
  }

  #fire(name, since) {
    this.dispatchEvent(Object.assign(new Event(name), { since }));
  }
}

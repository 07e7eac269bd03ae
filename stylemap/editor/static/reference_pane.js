/** The picture that parts are taken from, and the strip of all references. */

import { drawErrors, isBad } from "./errors.js";
import { countLabels, emptyMask, isEmpty, togglePart } from "./mask.js";
import { Painter } from "./painter.js";
import { UNKNOWN, plainName } from "./parts.js";
import { GREEN, Stage, drawOutline, drawVeil } from "./stage.js";
import { iconButton, thumbnail } from "./widgets.js";

const HINTS = {
  none: "Add an image to take parts from.",
  brush: "Paint here what the result should get.",
  eraser: "Nothing painted yet: take the brush.",
  box: "Draw a box around what the result should get.",
  lasso: "Draw around what the result should get.",
  wand: "Click a colour that the result should get.",
  part: "Click a part: an eye, the hair …",
  bad: "These weights draw this place badly. The result will not look like it.",
  partless: UNKNOWN,
  move: "Paint a region first, then drag it.",
};

export class ReferencePane {
  constructor(editor, { choose, remove, mover }) {
    Object.assign(this, { editor, choose, remove });
    this.stage = new Stage(document.querySelector("#reference-stage"), editor.side, (...args) => this.#draw(...args));
    this.painter = new Painter(editor, this.stage, {
      mask: () => editor.patch.mask,
      set: (mask, how) => editor.changePatch({ mask }, how),
      picture: () => this.picture,
      enabled: () => this.picture !== undefined && editor.view.tool !== "move",
    });
    mover.listen(this.stage, () => editor.view.tool === "move" && editor.isPainted);
    editor.addEventListener("pictures", () => this.#rebuild());
    editor.addEventListener("pictures", () => this.stage.view.fit());
    for (const name of ["view", "pictures"]) editor.addEventListener(name, () => this.stage.show(this.picture?.photo));
    for (const name of ["edit", "view", "pictures"]) editor.addEventListener(name, () => this.#refresh());
    this.#buildParts();
    this.#rebuild();
    this.#refresh();
  }

  get picture() {
    return this.editor.pictures.get(this.editor.view.active);
  }

  #draw(context, scale) {
    const { mask } = this.editor.patch;
    if (this.editor.view.errors && this.picture) drawErrors(context, this.picture.errors, this.editor.side, scale);
    if (!isEmpty(mask) && this.picture) {
      drawVeil(context, mask, this.editor.side, scale, GREEN);
      drawOutline(context, mask, this.editor.side, new DOMMatrix([scale, 0, 0, scale, 0, 0]), "strong");
    }
    this.painter.draw(context, scale);
  }

  #refresh() {
    const { view, isPainted } = this.editor;
    this.stage.overlay.dataset.tool = view.tool;
    const what = view.tool === "part" && !this.picture?.labels ? "partless" : view.tool;
    const hint = !this.picture ? "none" : !isPainted ? what : isBad(this.editor.patch.mask, this.picture.errors) ? "bad" : "";
    document.querySelector("#hint").textContent = HINTS[hint] ?? "";
    for (const button of document.querySelectorAll("#references .thumb[data-slot]")) {
      const slot = Number(button.dataset.slot);
      button.setAttribute("aria-pressed", slot === view.active);
      button.classList.toggle("painted", !isEmpty(this.editor.edit.patches[slot].mask));
    }
    this.#refreshParts();
    this.stage.redraw();
  }

  #rebuild() {
    const { references, freeSlots, pictures } = this.editor;
    const items = references.map((slot) => {
      const item = document.createElement("div");
      item.className = "removable";
      const { photo, remark } = pictures.get(slot);
      const button = thumbnail(photo, `Reference ${slot + 1}`);
      button.classList.toggle("unfamiliar", Boolean(remark));
      if (remark) button.title += `: ${remark}`;
      button.dataset.slot = slot;
      button.addEventListener("click", () => this.editor.look({ active: slot }));
      const remove = iconButton("close", `Remove reference ${slot + 1}`);
      remove.classList.replace("icon", "remove");
      remove.addEventListener("click", () => this.remove(slot));
      item.append(button, remove);
      return item;
    });
    if (freeSlots.length) {
      const add = iconButton("plus", "Add a reference");
      add.className = "thumb add";
      add.id = "add-reference";
      add.addEventListener("click", () => this.choose(freeSlots[0]));
      items.push(add);
    }
    document.querySelector("#references").replaceChildren(...items);
  }

  #buildParts() {
    this.parts = this.editor.info.parts.map((part) => {
      const { ids } = part;
      const button = document.createElement("button");
      button.textContent = plainName(part);
      button.addEventListener("click", () => {
        const mask = this.editor.patch.mask ?? emptyMask(this.editor.side);
        this.editor.changePatch({ mask: togglePart(mask, this.picture.labels, ids) }, { what: plainName(part) });
      });
      for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => this.painter.point(part));
      for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => this.painter.point(null));
      return { button, ids };
    });
    document.querySelector("#parts").replaceChildren(...this.parts.map(({ button }) => button));
  }

  #refreshParts() {
    const counts = countLabels(this.editor.patch.mask, this.picture?.labels ?? []);
    for (const { button, ids } of this.parts) {
      const [all, taken] = [0, 1].map((which) => ids.reduce((sum, id) => sum + counts[id][which], 0));
      button.hidden = all === 0;
      button.setAttribute("aria-pressed", taken * 2 > all);
    }
  }
}

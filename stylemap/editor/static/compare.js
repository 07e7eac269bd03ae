/** Before and after: the original or its reconstruction over the result, up to a line that can be dragged. */

import { find } from "./widgets.js";

const NEAR = 14; // CSS pixels, around the line
const FIGURES = find("#error-of-original").title;

export class Comparison {
  constructor(editor, stage) {
    Object.assign(this, { editor, stage });
    this.dragging = false;
    this.#listenToLine();
    find("#compare").addEventListener("input", ({ target }) => editor.look({ before: target.value / 100 }));
    find("#show-errors").addEventListener("click", () => editor.look({ errors: !editor.view.errors }));
    for (const name of ["photo", "reconstruction"]) {
      find(`#before-${name}`).addEventListener("click", () => this.#compareWith(name));
    }
    for (const name of ["view", "pictures"]) editor.addEventListener(name, () => this.#refresh());
  }

  /** Whether an event is on the line, or drags it: then it is nobody else's. */
  holds(event) {
    const { before } = this.editor.view;
    const distance = Math.abs(this.#shareOf(event) - before) * this.stage.element.clientWidth;
    return this.dragging || (before > 0 && before < 1 && distance < NEAR);
  }

  #shareOf(event) {
    return this.stage.view.shareOf(event).x; // of the stage: the line stays where it is while the view moves
  }

  #listenToLine() {
    const end = () => (this.dragging = false);
    this.stage.listen({
      down: (event) => (this.dragging = this.holds(event)),
      // It stays in the picture, or there would be nothing left to drag.
      move: (event) => this.editor.look({ before: Math.min(0.99, Math.max(0.01, this.#shareOf(event))) }),
      up: end,
      cancel: end,
    });
  }

  /** A press shows that picture in place of the result, another press of the same the result again. */
  #compareWith(name) {
    const { beforeIs, before } = this.editor.view;
    this.editor.look({ beforeIs: name, before: beforeIs === name && before === 1 ? 0 : 1 });
  }

  #refresh() {
    const { before, beforeIs } = this.editor.view;
    const original = this.editor.pictures.get("original");
    this.stage.show(original?.[beforeIs], "before");
    this.stage.element.style.setProperty("--before", `${100 * before}%`);
    find("#result-stage .divider").hidden = before === 0 || before === 1;
    find("#before-tag").hidden = before === 0;
    find("#before-tag").textContent = beforeIs === "photo" ? "Original" : "Reconstruction";
    find("#show-errors").setAttribute("aria-pressed", this.editor.view.errors);
    find("#compare").value = Math.round(100 * before);
    for (const name of ["photo", "reconstruction"]) {
      const button = find(`#before-${name}`);
      button.setAttribute("aria-pressed", before > 0 && beforeIs === name);
      const canvas = button.querySelector("canvas");
      canvas.width = canvas.height = this.editor.side;
      if (original) canvas.getContext("2d").drawImage(original[name], 0, 0);
    }
    if (!original) return;
    const figures = find("#error-of-original");
    figures.classList.toggle("unfamiliar", Boolean(original.remark));
    find("#word").textContent = original.word ?? "Reconstruction";
    figures.title = original.remark ?? FIGURES;
    find("#psnr").textContent = `${original.psnr.toFixed(1)} dB`;
    find("#mse").textContent = `error ${original.mse.toPrecision(2)}`;
  }
}

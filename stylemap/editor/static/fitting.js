/** Fits the weights to the original: some seconds with a bar, then before and after to choose from. */

import { Cancelled } from "./api.js";
import { say } from "./notices.js";
import { find } from "./widgets.js";

export class Fitting {
  #leave = null; // ends the fit that is under way

  constructor(editor, session) {
    Object.assign(this, { editor, session });
    this.dialog = find("#fitting");
    find("#fit").hidden = !editor.info.fits;
    find("#fit").addEventListener("click", () => this.open());
    find("#fit-start").addEventListener("click", () => this.#fit());
    this.dialog.addEventListener("close", () => this.#close());
    editor.addEventListener("pictures", () => this.#refresh());
    this.#refresh();
  }

  open() {
    const original = this.editor.pictures.get("original");
    if (!original) return;
    this.fitted = null;
    this.#draw("photo", original);
    this.#draw("before", original);
    this.#draw("after", null);
    this.#tell(original.fitted ? "The weights are fitted to this photo already. A further fit begins anew." : "");
    this.#progress(null);
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  async #fit() {
    const leave = (this.#leave = new AbortController());
    const began = performance.now();
    this.#progress(0);
    this.#tell("Waiting for the server …");
    try {
      this.fitted = await this.session.fit(this.editor.pictures, leave.signal, (done) => {
        this.#progress(done);
        const left = ((performance.now() - began) / 1000 / done) * (1 - done);
        this.#tell(done < 0.05 ? "Fitting …" : `About ${Math.ceil(left)} s left`);
      });
      this.#draw("after", this.fitted);
      this.#tell("Compare the two, and choose.");
    } catch (error) {
      this.#tell(error instanceof Cancelled ? "" : error.message);
    }
    this.#leave = null;
    this.#progress(null);
  }

  /** Cancels what is under way; takes what was found, if the person wants it. */
  #close() {
    this.#leave?.abort();
    if (this.dialog.returnValue !== "use" || !this.fitted) return;
    this.editor.setPicture("original", this.fitted);
    say("The weights are fitted to your photo.");
  }

  #progress(done) {
    find("#fit-progress").hidden = done === null;
    find("#fit-progress").value = done ?? 0;
    find("#fit-start").hidden = done !== null || this.fitted !== null;
    find("#fit-use").hidden = this.fitted === null;
    find("#fit-leave").textContent = done !== null ? "Cancel" : this.fitted ? "Keep as before" : "Close";
  }

  #tell(text) {
    find("#fit-text").textContent = text;
  }

  #draw(name, picture) {
    const canvas = find(`#fit-${name} canvas`);
    [canvas.width, canvas.height] = [256, 256];
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    if (picture) context.drawImage(name === "photo" ? picture.photo : picture.reconstruction, 0, 0, 256, 256);
    if (name !== "photo") find(`#fit-${name} output`).textContent = picture ? `${picture.word ?? ""} ${picture.psnr.toFixed(1)} dB` : "";
  }

  #refresh() {
    const original = this.editor.pictures.get("original");
    find("#fit").disabled = !original;
    find("#fit").setAttribute("aria-pressed", Boolean(original?.fitted));
  }
}

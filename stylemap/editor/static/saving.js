/** Pictures and project files, out and in. */

import { forPage, forServer, fromServer } from "./edit.js";
import { download } from "./widgets.js";

export class Saving {
  constructor(editor, session) {
    Object.assign(this, { editor, session });
    this.dialog = document.querySelector("#save-as");
  }

  get edit() {
    return forServer(this.editor.edit, this.editor.side, (slot) => this.editor.pictures.has(slot));
  }

  /** Asks how where there is a choice: a large photo can get the edit put back into it. */
  async savePicture() {
    const { pictures, side } = this.editor;
    if (!pictures.has("original")) throw new Error("Choose a picture to edit first.");
    const { width, height } = pictures.get("original");
    const pasteBack = Math.min(width, height) > side ? await this.#ask(width, height) : "none";
    if (pasteBack === null) return;
    download(await this.session.save(this.edit, pasteBack), pasteBack === "none" ? "edit.png" : "edited-photo.png");
    this.editor.markSaved();
  }

  async saveProject() {
    const { edit, side, view } = this.editor;
    const { radius, softness } = view;
    const page = { ...forPage(edit, side), radius, softness };
    download(await this.session.saveProject(this.edit, page), "edit.safetensors");
    this.editor.markSaved();
  }

  async openProject(file) {
    const { edit, page, pictures } = await this.session.openProject(file);
    const slots = [...pictures].map(([slot, picture]) => [slot === "original" ? slot : Number(slot), picture]);
    const { side, info } = this.editor;
    this.editor.replace(await fromServer(edit, page, side, info.references), new Map(slots));
    const { radius, softness } = page;
    if (radius !== undefined && softness !== undefined) this.editor.look({ radius, softness });
  }

  #ask(width, height) {
    const { side } = this.editor;
    const text = {
      none: `The result alone, ${side} × ${side}`,
      feather: `In the photo at full size, ${width} × ${height}, soft edge`,
      poisson: `In the photo at full size, ${width} × ${height}, colours matched`,
    };
    const buttons = [...this.dialog.querySelectorAll("[data-paste]")];
    document.querySelector("#save-as-text").textContent = "In the photo, pixels away from the edit stay as they are.";
    return new Promise((resolve) => {
      for (const button of buttons) {
        button.textContent = text[button.dataset.paste];
        button.onclick = () => {
          resolve(button.dataset.paste);
          this.dialog.close();
        };
      }
      this.dialog.onclose = () => resolve(null);
      this.dialog.showModal();
    });
  }
}

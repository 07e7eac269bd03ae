/** Pictures and project files, out and in. */

import { countKept, forPage, forServer, fromServer } from "./edit.js";
import { answerOf, download } from "./widgets.js";

const SEEN = 256; // pixels; a smaller result is written enlarged by a whole factor

export class Saving {
  constructor(editor, session) {
    Object.assign(this, { editor, session });
    this.dialog = document.querySelector("#save-as");
  }

  /** Asks how where there is a choice: a large photo can get the edit put back into it. Answers what it could not keep. */
  async savePicture() {
    const { edit, pictures, side } = this.editor;
    if (!pictures.has("original")) throw new Error("Choose a picture to edit first.");
    const { width, height } = pictures.get("original");
    const sent = forServer(edit, side);
    const isWhole = sent.pushes.some(({ mask }) => mask === null);
    const pasteBack = Math.min(width, height) > side ? await this.#ask(width, height, isWhole) : "none";
    if (pasteBack === null) return null;
    const name = pasteBack === "none" ? "edit.png" : "edited-photo.png";
    const { picture, notes } = await this.session.save(sent, pictures, pasteBack);
    download(picture, name);
    this.editor.markSaved(edit);
    return notes.join(" ");
  }

  async saveProject() {
    const { edit, side, view } = this.editor;
    const { radius, softness } = view;
    const page = { ...forPage(edit, side), radius, softness };
    download(await this.session.saveProject(forServer(edit, side), edit.pictures, page), "edit.safetensors");
    this.editor.markSaved(edit);
  }

  /** Answers how many of its changes the page cannot show. */
  async openProject(file) {
    const { edit, page, pictures } = await this.session.openProject(file);
    const { side, info } = this.editor;
    const opened = await fromServer(edit, page, pictures, side, info.references);
    this.editor.replace(opened);
    const { radius, softness } = page;
    if (radius !== undefined && softness !== undefined) this.editor.look({ radius, softness });
    return countKept(opened);
  }

  #ask(width, height, isWhole) {
    const { side } = this.editor;
    const text = {
      none: `The result alone, ${side} × ${side}` + (side < SEEN ? ", enlarged to be seen" : ""),
      feather: `In the photo at full size, ${width} × ${height}, soft edge`,
      poisson: `In the photo at full size, ${width} × ${height}, colours matched`,
    };
    for (const button of this.dialog.querySelectorAll("button[value]")) button.textContent = text[button.value];
    document.querySelector("#save-as-text").textContent = isWhole
      ? "A slider works on the whole face: in the photo, all of the face's square is replaced by the model's picture."
      : "In the photo, pixels away from the edit stay as they are.";
    return answerOf(this.dialog);
  }
}

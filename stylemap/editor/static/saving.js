/** Pictures and project files, out and in. */

import { countKept, forPage, forServer, fromServer } from "./edit.js";
import { answerOf, download } from "./widgets.js";

export class Saving {
  constructor(editor, session) {
    Object.assign(this, { editor, session });
    this.dialog = document.querySelector("#save-as");
  }

  /** Asks how to save where there is a choice: a large photo can get the edit put back into it. Null: not at all. */
  async askHow() {
    const { edit, pictures, side } = this.editor;
    const { width, height } = pictures.get("original") ?? { width: 0, height: 0 };
    const isWhole = forServer(edit, side).pushes.some(({ mask }) => mask === null);
    return Math.min(width, height) > side ? this.#ask(width, height, isWhole) : "none";
  }

  /** Answers what of the photo could not be kept. */
  async savePicture(pasteBack) {
    const { edit, pictures, side } = this.editor;
    if (!pictures.has("original")) throw new Error("Choose an image to edit first.");
    const sent = forServer(edit, side);
    const name = pasteBack === "none" ? "edit.png" : "edited-photo.png";
    const { picture, notes } = await this.session.save(sent, pictures, pasteBack);
    download(picture, name);
    this.editor.markSaved(edit);
    return notes.join(" ");
  }

  async saveProject() {
    const { edit, side, view, info } = this.editor;
    const { radius, softness } = view;
    const page = { ...forPage(edit, side, info.limits.page), radius, softness };
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

  /** The pictures of an edit that was kept, sent again from their sources. */
  async sendKept(sources) {
    const [project] = [...sources.values()].map((source) => source.project).filter(Boolean);
    const opened = project ? (await this.session.openProject(project)).pictures : new Map();
    const pictures = new Map();
    for (const [slot, source] of sources) {
      pictures.set(slot, source.project ? opened.get(slot) : await this.session.putPicture(slot, source));
    }
    return pictures;
  }

  #ask(width, height, isWhole) {
    const { side, info } = this.editor;
    const text = {
      none: `The result alone, ${side} × ${side}` + (side < info.seen ? ", enlarged to be seen" : ""),
      feather: `In the photo at full size, ${width} × ${height}, soft edge`,
      poisson: `In the photo at full size, ${width} × ${height}, colours matched`,
    };
    for (const button of this.dialog.querySelectorAll("button[value]")) button.textContent = text[button.value];
    document.querySelector("#save-as-text").textContent = isWhole
      ? "A slider works on the whole face. In the photo, pixels stay as they are where it changes nothing."
      : "In the photo, pixels away from the edit stay as they are.";
    return answerOf(this.dialog);
  }
}

/** The dialog in which a picture is saved or copied: what, how large, beside what was before, and as which kind of file. */

import { forServer } from "./edit.js";
import { flash } from "./notices.js";
import { answerOf, download, find, percent, radioGroup } from "./widgets.js";

const HOLDS = {
  png: "PNG keeps every pixel, also 16 bits and transparency.",
  jpg: "JPEG makes small files. It changes every pixel a little, and it has no transparency.",
  webp: "WebP keeps every pixel in 8 bits, also transparency. The files are smaller than those of PNG.",
};
const PLAIN = "The file has 8 bits a channel in sRGB, and none of the photo's metadata. The installed editor keeps both.";
const GAP = 64; // widths of the gap in a picture, as photos/before_after.py has it
const FACTORS = [1, 2, 4, 8, 16, 32];

export class Exporting {
  /** @param {(action: () => Promise<string | void>) => Promise<void>} attempt tells what went wrong, or what it answers */
  constructor(editor, session, attempt) {
    Object.assign(this, { editor, session, attempt });
    this.dialog = find("#save-as");
    this.choice = { paste_back: "feather", before_after: "none", labels: false, format: "png", quality: 95 };
    this.inPhoto = true; // where there is a larger photo
    this.marks = [...this.dialog.querySelectorAll("[role=radiogroup]")].map((group) => {
      const mark = radioGroup(group, ({ dataset }) => this.#choose({ [group.dataset.name]: dataset.value }));
      return () => mark(({ dataset }) => dataset.value === this.choice[group.dataset.name]);
    });
    for (const input of this.dialog.querySelectorAll("[name=what]")) {
      input.addEventListener("change", () => {
        this.inPhoto = input.value === "photo";
        this.#refresh();
      });
    }
    find("#enlarge").addEventListener("change", ({ target }) => this.#choose({ enlarge: +target.value }));
    find("#labels").addEventListener("change", ({ target }) => this.#choose({ labels: target.checked }));
    find("#quality").addEventListener("input", ({ target }) => this.#choose({ quality: +target.value }));
    find("#copy").addEventListener("click", () => this.attempt(() => this.#copy())); // at once, or browsers refuse it
    this.#fillFactors();
  }

  async open() {
    if (!this.editor.pictures.has("original")) return;
    this.#refresh();
    if ((await answerOf(this.dialog)) === "save") await this.attempt(() => this.#save());
  }

  #fillFactors() {
    const { side, info } = this.editor;
    const factors = FACTORS.filter((factor) => factor <= info.limits.enlarge);
    find("#enlarge").replaceChildren(...factors.map((factor) => new Option(factor === 1 ? "Not" : `× ${factor}`, factor)));
    this.choice.enlarge = factors.find((factor) => factor * side >= info.seen) ?? factors.at(-1);
  }

  get #photo() {
    return this.editor.pictures.get("original");
  }

  get #isInPhoto() {
    const { width, height } = this.#photo;
    return this.inPhoto && Math.min(width, height) > this.editor.side;
  }

  /** [width, height] of the file in pixels. */
  get #size() {
    const { width, height } = this.#photo;
    const square = this.editor.side * this.choice.enlarge;
    const [wide, high] = this.#isInPhoto ? [width, height] : [square, square];
    return [this.choice.before_after === "beside" ? 2 * wide + Math.max(2, Math.floor(wide / GAP)) : wide, high];
  }

  get #name() {
    const stem = this.#photo.source.file?.name?.replace(/\.[^.]*$/, "") || "picture";
    const what = this.choice.before_after === "none" ? "edited" : "before-after";
    return `${stem}-${what}-${this.#size.join("x")}.${this.choice.format}`;
  }

  #choose(changes) {
    Object.assign(this.choice, changes);
    this.#refresh();
  }

  #refresh() {
    const { side, edit, info } = this.editor;
    const { width, height } = this.#photo;
    const { enlarge, before_after, labels, format, quality } = this.choice;
    for (const mark of this.marks) mark();
    find("#what").hidden = Math.min(width, height) <= side;
    for (const input of this.dialog.querySelectorAll("[name=what]")) input.checked = (input.value === "photo") === this.#isInPhoto;
    find("#photo-size").textContent = `${width} × ${height}`;
    find("#square-size").textContent = `${side} × ${side}`;
    find("#edge-line").hidden = !this.#isInPhoto;
    find("#enlarge-line").hidden = this.#isInPhoto;
    find("#enlarge").value = enlarge;
    find("#labels-line").hidden = before_after === "none";
    find("#labels").checked = labels;
    find("#quality-line").hidden = format !== "jpg";
    find("#quality").value = quality;
    find("#quality-line output").textContent = percent(quality / 100);
    const isWhole = forServer(edit, side).pushes.some(({ mask }) => mask === null);
    const kept = isWhole ? "A slider works on the whole face. Pixels stay as they are where it changes nothing." : "Pixels away from the edit stay as they are.";
    find("#save-as-text").textContent = [this.#isInPhoto && format !== "jpg" && kept, info.depth || !this.#isInPhoto ? HOLDS[format] : PLAIN].filter(Boolean).join(" ");
    find("#save-as-name").textContent = this.#name;
    find("#save-as-size").textContent = `${this.#size.join(" × ")} pixels`;
  }

  /** Answers the file, and lines on what of the photo it could not keep. */
  #make(changes = {}) {
    const { edit, side } = this.editor;
    const { quality, ...choice } = { ...this.choice, ...changes };
    const how = { ...choice, ...(choice.format === "jpg" && { quality }), ...(!this.#isInPhoto && { paste_back: "none" }) };
    return this.session.save({ ...forServer(edit, side), ...how }, edit.pictures);
  }

  async #save() {
    const { edit } = this.editor;
    const name = this.#name;
    const { picture, notes } = await this.#make();
    download(picture, name);
    this.editor.markSaved(edit);
    flash(`Saved: ${name}`);
    return notes.join(" ");
  }

  async #copy() {
    this.dialog.close();
    if (!navigator.clipboard?.write) {
      throw new Error("Browsers let pages copy pictures only over https: or on this machine itself. Save the file instead.");
    }
    const size = this.#size.join(" × ");
    let failure = null;
    const picture = this.#make({ format: "png" }).then(
      ({ picture }) => picture,
      (error) => {
        failure = error;
        throw error;
      },
    );
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
    } catch {
      throw failure ?? new Error("The browser refused to copy the picture. Allow this page to use the clipboard, or save the file.");
    }
    flash(`Copied: ${size} pixels`);
  }
}

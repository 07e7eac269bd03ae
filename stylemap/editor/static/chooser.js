/** Where pictures come from: the gallery, a file, the clipboard, or a file dropped on the page. */

const PICTURE = /^image\//;

export class Chooser {
  /** @param {(slot: string | number, source: object) => void} take */
  constructor(editor, take) {
    Object.assign(this, { editor, take });
    this.slot = "original";
    this.dialog = document.querySelector("#chooser");
    this.align = document.querySelector("#align");
    document.querySelector("#align-line").hidden = !editor.info.align;
    const file = document.querySelector("#file");
    file.addEventListener("change", () => {
      if (file.files.length) this.#accept(file.files[0], this.slot);
      file.value = ""; // the same file again is a change too
    });
    this.#listenToDrops();
    document.addEventListener("paste", (event) => this.#paste(event));
  }

  open(slot) {
    this.slot = slot;
    document.querySelector("#chooser-title").textContent =
      slot === "original" ? "Choose the original" : `Choose reference ${slot + 1}`;
    if (this.editor.info.gallery && !document.querySelector("#gallery").children.length) this.#fillGallery();
    this.dialog.showModal();
  }

  #fillGallery() {
    const buttons = Array.from({ length: this.editor.info.gallery }, (_, avatar) => {
      const button = document.createElement("button");
      button.className = "thumb";
      button.setAttribute("aria-label", `Avatar ${avatar}`);
      const image = Object.assign(new Image(), { src: `api/gallery/${avatar}.png`, loading: "lazy", alt: "" });
      button.append(image);
      button.addEventListener("click", () => this.#done({ avatar }));
      return button;
    });
    document.querySelector("#gallery").replaceChildren(...buttons);
  }

  #done(source) {
    this.dialog.close();
    this.take(this.slot, source);
  }

  #paste(event) {
    const file = [...event.clipboardData.files].find(({ type }) => PICTURE.test(type));
    if (!file) return;
    event.preventDefault();
    this.#accept(file, this.dialog.open ? this.slot : (this.editor.freeSlots[0] ?? this.editor.view.active));
  }

  #accept(file, slot) {
    this.slot = slot;
    this.#done({ file, align: this.align.checked });
  }

  #listenToDrops() {
    const overlay = document.querySelector("#drop-target");
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    const paneAt = (event) => (event.target.closest?.("#reference") ? "reference" : "result");
    document.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      const pane = paneAt(event);
      const box = document.querySelector(`#${pane}-stage`).getBoundingClientRect();
      overlay.hidden = false;
      overlay.textContent = pane === "result" ? "Drop: the new original" : "Drop: another reference";
      for (const side of ["left", "top", "width", "height"]) overlay.style[side] = `${box[side]}px`;
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) overlay.hidden = true;
    });
    document.addEventListener("drop", (event) => {
      overlay.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      const slots = paneAt(event) === "result" ? ["original"] : this.editor.freeSlots;
      if (slots.length === 0) slots.push(this.editor.view.active); // all are taken: in place of the one that is shown
      [...event.dataTransfer.files].slice(0, slots.length).forEach((file, i) => this.#accept(file, slots[i]));
    });
  }
}

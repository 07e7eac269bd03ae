/** Where pictures come from: the gallery, a file, the clipboard, or a file dropped on the page. Project files come along. */

const PICTURE = /^image\//;

export class Chooser {
  /**
   * @param {(slot: string | number, source: object) => void} take
   * @param {(file: File) => void} openProject
   */
  constructor(editor, take, openProject) {
    Object.assign(this, { editor, take, openProject });
    this.slot = "original";
    this.dialog = document.querySelector("#chooser");
    document.querySelector("#gallery-title").textContent = editor.info.gallery.about;
    const file = document.querySelector("#file");
    file.addEventListener("change", () => {
      this.#accept([...file.files], [this.slot]);
      file.value = ""; // the same file again is a change too
    });
    this.#listenToDrops();
    document.addEventListener("paste", (event) => this.#paste(event));
  }

  /** The file picker at once, without the gallery. */
  browse(slot) {
    this.slot = slot;
    document.querySelector("#file").click();
  }

  open(slot) {
    this.slot = slot;
    document.querySelector("#chooser-title").textContent =
      slot === "original" ? "Choose the original" : `Choose reference ${slot + 1}`;
    if (!document.querySelector("#gallery").children.length) this.#fillGallery();
    this.dialog.showModal();
  }

  #fillGallery() {
    const buttons = Array.from({ length: this.editor.info.gallery.count }, (_, gallery) => {
      const button = document.createElement("button");
      button.className = "thumb";
      button.setAttribute("aria-label", `Image ${gallery + 1}`);
      const image = Object.assign(new Image(), { src: `api/gallery/${gallery}.png`, loading: "lazy", alt: "" });
      button.append(image);
      button.addEventListener("click", () => this.#done(this.slot, { gallery }));
      return button;
    });
    document.querySelector("#gallery").replaceChildren(...buttons);
  }

  #done(slot, source) {
    this.dialog.close();
    this.take(slot, source);
  }

  #paste(event) {
    const files = [...event.clipboardData.files].filter(({ name, type }) => PICTURE.test(type) || isNamedProject(name));
    if (files.length === 0) return;
    event.preventDefault();
    this.#accept(files, [this.dialog.open ? this.slot : (this.editor.freeSlots[0] ?? this.editor.view.active)]);
  }

  /** Files for slots, in turn; a project among them is what is meant. */
  async #accept(files, slots) {
    for (const file of files) {
      if (!(await isProject(file, this.editor.info.limits.header))) continue;
      this.dialog.close();
      this.openProject(file);
      return;
    }
    files.slice(0, slots.length).forEach((file, i) => this.#done(slots[i], { file }));
  }

  #listenToDrops() {
    const overlay = document.querySelector("#drop-target");
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    const paneAt = (event) => (event.target.closest?.("#reference") ? "reference" : "result");
    document.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      const pane = paneAt(event);
      const place = this.dialog.open ? this.dialog : document.querySelector(`#${pane}-stage`);
      const box = place.getBoundingClientRect();
      overlay.hidden = false;
      overlay.textContent = textOver(event, pane);
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
      this.#accept([...event.dataTransfer.files], this.dialog.open ? [this.slot] : slots);
    });
  }
}

/** What a drop would do; browsers tell kinds before it, and know none of project files. */
function textOver(event, pane) {
  const files = [...event.dataTransfer.items].filter(({ kind }) => kind === "file");
  if (files.length && files.every(({ type }) => !PICTURE.test(type))) return "Drop: open the project";
  return pane === "result" ? "Drop: the new original" : "Drop: another reference";
}

const isNamedProject = (name) => /\.safetensors$/i.test(name);

/** By its name or, where somebody has changed that, by its beginning: the length of a header, and JSON. */
async function isProject(file, largestHeader) {
  if (isNamedProject(file.name)) return true;
  try {
    const start = new DataView(await file.slice(0, 9).arrayBuffer());
    return start.getBigUint64(0, true) < largestHeader && start.getUint8(8) === 0x7b;
  } catch {
    return false; // too short, or a folder
  }
}

/**
 * How a picture is looked at in its stage: enlarged and moved. The wheel zooms around the pointer, two fingers zoom and move; the
 * middle button moves, and so does the left one while Space is held. A double click where nothing is taken hold of fits it again.
 */

const MOST = 16; // times
const WHEEL = 0.002; // the logarithm of the zoom, for each pixel of the wheel
const PINCH = 0.01; // the same for pinches on a touchpad, which browsers tell as a wheel with Ctrl
const LINE = 30; // pixels, of a wheel that counts lines
const STEP = 1.5; // of a key
const CLOSER = 2.5; // of a double click
const MIDDLE = 1;

let last = null; // the view that keys are about: the one that the pointer or the focus was in last

/** Zooms the picture that was used last. */
export const zoomIn = () => last?.zoomBy(STEP);
export const zoomOut = () => last?.zoomBy(1 / STEP);
export const fit = () => last?.fit();

export class View {
  #zoom = 1;
  #corner = { x: 0, y: 0 }; // upper left one that is seen; all places here are shares of the side
  #fingers = new Map(); // pointer -> where it is in the stage
  #moving = null; // {pointer, from: where it is}
  #spaced = false; // Space is held
  #hovered = false;
  #taken = true; // by a tool: the last press

  /** @param {() => void} change called when it looks otherwise */
  constructor(stage, change) {
    Object.assign(this, { stage, change });
    last ??= this;
    this.#listen();
    this.badge = Object.assign(document.createElement("button"), { className: "zoomed", title: "Show all of the picture (0)" });
    this.#label();
    this.badge.addEventListener("click", () => this.fit());
    stage.element.append(this.badge);
  }

  get zoom() {
    return this.#zoom;
  }

  get corner() {
    return this.#corner;
  }

  /** From a place in the stage to one of the picture. */
  toPicture({ x, y }) {
    return { x: this.#corner.x + x / this.#zoom, y: this.#corner.y + y / this.#zoom };
  }

  /** Where an event is in the stage. */
  shareOf(event) {
    const box = this.stage.element.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  fit() {
    this.#set(1, { x: 0, y: 0 });
  }

  /** @param {{x: number, y: number}} at in the stage: what is there stays there */
  zoomBy(factor, at = { x: 0.5, y: 0.5 }) {
    this.#hold(this.toPicture(at), at, this.#zoom * factor);
  }

  /** Moves as little as shows a place of the picture. */
  reveal({ x, y }) {
    const shown = 1 / this.#zoom;
    const near = (low, value) => Math.min(value, Math.max(value - shown, low));
    this.#set(this.#zoom, { x: near(this.#corner.x, x), y: near(this.#corner.y, y) });
  }

  /** @param {boolean} isTaken a tool took hold of a press */
  press(isTaken) {
    this.#taken = isTaken;
  }

  /** Shows a place of the picture at a place of the stage. */
  #hold(place, at, zoom) {
    const bounded = Math.min(MOST, Math.max(1, zoom));
    this.#set(bounded, { x: place.x - at.x / bounded, y: place.y - at.y / bounded });
  }

  #set(zoom, corner) {
    const inside = (value) => Math.min(1 - 1 / zoom, Math.max(0, value));
    const next = { x: inside(corner.x), y: inside(corner.y) };
    if (zoom === this.#zoom && next.x === this.#corner.x && next.y === this.#corner.y) return;
    [this.#zoom, this.#corner] = [zoom, next];
    this.#label();
    this.change();
  }

  #label() {
    this.badge.hidden = this.#zoom === 1;
    this.badge.textContent = `${Math.round(100 * this.#zoom)} %`;
    this.badge.ariaLabel = `Zoomed to ${this.badge.textContent}. Show all of the picture`;
  }

  #listen() {
    const { overlay } = this.stage;
    overlay.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    overlay.addEventListener("pointerdown", (event) => this.#down(event));
    overlay.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) overlay.addEventListener(name, (event) => this.#up(event));
    overlay.addEventListener("pointerenter", () => this.#enter(true));
    overlay.addEventListener("pointerleave", () => this.#enter(false));
    overlay.addEventListener("focus", () => (last = this));
    overlay.addEventListener("mousedown", (event) => event.button === MIDDLE && event.preventDefault()); // it would scroll
    overlay.addEventListener("dblclick", (event) => {
      if (this.#taken) return;
      if (this.#zoom > 1) this.fit();
      else this.zoomBy(CLOSER, this.shareOf(event));
    });
    document.addEventListener("keydown", (event) => event.key === " " && this.#space(event), { capture: true });
    document.addEventListener("keyup", (event) => event.key === " " && this.#unspace(event), { capture: true });
    window.addEventListener("blur", () => this.#unspace());
  }

  #enter(isInside) {
    this.#hovered = isInside;
    if (isInside) last = this;
    else if (!this.#moving) this.#unspace();
  }

  #wheel(event) {
    if (event.altKey) return; // the tools'
    const factor = Math.exp(-event.deltaY * (event.ctrlKey ? PINCH : WHEEL * (event.deltaMode ? LINE : 1)));
    if (this.#zoom === 1 && factor < 1 && !event.ctrlKey) return; // the page may scroll
    event.preventDefault();
    this.zoomBy(factor, this.shareOf(event));
  }

  #space(event) {
    if (!this.#hovered || event.target.closest("input:not([type=range]), select, textarea, dialog")) return;
    if (event.target === document.body || event.target === this.stage.overlay) event.preventDefault(); // it would scroll
    this.#spaced ||= "held";
    this.stage.overlay.dataset.hand = "";
  }

  #unspace(event) {
    if (this.#spaced === "used") event?.preventDefault(); // nor is a button pressed that has the focus
    this.#spaced = false;
    if (!this.#moving) delete this.stage.overlay.dataset.hand;
  }

  #down(event) {
    if (event.pointerType === "touch") {
      this.#fingers.set(event.pointerId, this.shareOf(event));
      return; // of two, tools let go
    }
    if (event.button !== MIDDLE && !(this.#spaced && event.button === 0)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#spaced &&= "used";
    this.#moving = { pointer: event.pointerId, from: this.shareOf(event) };
    this.stage.overlay.setPointerCapture(event.pointerId);
    this.stage.overlay.dataset.hand = "";
  }

  #move(event) {
    const at = this.shareOf(event);
    if (event.pointerId === this.#moving?.pointer) {
      this.#hold(this.toPicture(this.#moving.from), at, this.#zoom);
      this.#moving.from = at;
      event.stopImmediatePropagation();
    } else if (this.#fingers.has(event.pointerId)) {
      if (this.#fingers.size === 2) this.#pinch(event.pointerId, at);
      this.#fingers.set(event.pointerId, at);
    }
  }

  #pinch(pointer, at) {
    const [before, other] = [this.#fingers.get(pointer), [...this.#fingers].find(([id]) => id !== pointer)[1]];
    const apart = (a, b) => Math.max(0.01, Math.hypot(a.x - b.x, a.y - b.y));
    const middle = (a) => ({ x: (a.x + other.x) / 2, y: (a.y + other.y) / 2 });
    this.#hold(this.toPicture(middle(before)), middle(at), (this.#zoom * apart(at, other)) / apart(before, other));
  }

  #up(event) {
    this.#fingers.delete(event.pointerId);
    if (event.pointerId !== this.#moving?.pointer) return;
    this.#moving = null;
    if (!this.#spaced) delete this.stage.overlay.dataset.hand;
  }
}

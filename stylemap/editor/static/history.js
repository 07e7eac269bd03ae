/** Undo and redo over values that are never changed in place. */

const DEPTH = 100; // a step shares all masks but one with its neighbour

export class History {
  #past = [];
  #future = [];
  #settled;

  constructor(value) {
    this.#settled = this.now = value;
  }

  /** Shows a value that is not to be remembered yet: in the middle of a drag. */
  show(value) {
    this.now = value;
  }

  /** Makes a value, by default the one shown, a step that undo comes back to. */
  commit(value = this.now) {
    this.now = value;
    if (value === this.#settled) return;
    this.#past = [...this.#past, this.#settled].slice(-DEPTH);
    this.#settled = value;
    this.#future = [];
  }

  /** Drops what was only shown. */
  cancel() {
    this.now = this.#settled;
  }

  /** Whether what is shown is a step, and not the middle of a drag. */
  get isSettled() {
    return this.now === this.#settled;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.#settled);
    this.#settled = this.now = this.#past.pop();
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.#settled);
    this.#settled = this.now = this.#future.pop();
  }
}

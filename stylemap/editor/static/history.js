/** Undo and redo over values that are never changed in place. */

const DEPTH = 100; // a step shares all masks but one with its neighbour

export class History {
  #past = []; // {value, name} before each step, and what the step is called
  #future = []; // the same after steps that were undone

  constructor(value) {
    this.settled = this.now = value;
  }

  /** Shows a value that is not to be remembered yet: in the middle of a drag. */
  show(value) {
    this.now = value;
  }

  /** Makes a value a step that undo comes back to. */
  commit(value, name) {
    this.now = value;
    if (value === this.settled) return;
    this.#past = [...this.#past, { value: this.settled, name }].slice(-DEPTH);
    this.settled = value;
    this.#future = [];
  }

  /** Drops what was only shown. */
  cancel() {
    this.now = this.settled;
  }

  /** Whether what is shown is a step, and not the middle of a drag. */
  get isSettled() {
    return this.now === this.settled;
  }

  /** The name of the step that undo takes back, or null. */
  get undoName() {
    return this.#past.at(-1)?.name ?? null;
  }

  get redoName() {
    return this.#future.at(-1)?.name ?? null;
  }

  undo() {
    this.#go(this.#past, this.#future);
  }

  redo() {
    this.#go(this.#future, this.#past);
  }

  #go(from, to) {
    if (from.length === 0) return;
    const { value, name } = from.pop();
    to.push({ value: this.settled, name });
    this.settled = this.now = value;
  }
}

/**
 * Pictures of the newest edit: at most one request at a time, and what was asked for meanwhile is skipped. While the hand moves
 * they are previews, which are faster; when it rests, the exact one follows.
 */

const REST_MS = 200; // a hand that holds still for so long rests

export class Rendering {
  #wanted = null;
  #running = false;
  #rest = null;

  /**
   * @param {(edit: object, preview: boolean) => Promise<Blob>} render
   * @param {(picture: ImageBitmap) => void} show
   * @param {(error: Error) => void} fail
   */
  constructor(render, show, fail) {
    Object.assign(this, { render, show, fail });
    this.onchange = () => {}; // called when it begins and ends to work
    // called with the ms from the first change that a picture shows to the picture on the screen, and whether a preview would do
    this.onpainted = () => {};
  }

  get busy() {
    return this.#running;
  }

  ask(edit, preview = false, since = performance.now()) {
    clearTimeout(this.#rest);
    if (preview) this.#rest = setTimeout(() => this.ask(edit), REST_MS);
    this.#wanted = { edit, preview, since: this.#wanted?.since ?? since };
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    this.onchange();
    while (this.#wanted) {
      const { edit, preview, since } = this.#wanted;
      this.#wanted = null;
      try {
        this.show(await createImageBitmap(await this.render(edit, preview)));
        // On the screen after the frame: measured apart, so that the next request need not wait for it.
        afterFrame(() => this.onpainted(performance.now() - since, preview));
      } catch (error) {
        this.fail(error);
      }
    }
    this.#running = false;
    this.onchange();
  }
}

function afterFrame(then) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = then;
    channel.port2.postMessage(null);
  });
}

/** Pictures of the newest edit: at most one request at a time, and what was asked for meanwhile is skipped. */

export class Preview {
  #wanted = null;
  #running = false;

  /**
   * @param {(edit: object) => Promise<Blob>} render
   * @param {(picture: ImageBitmap) => void} show
   * @param {(error: Error) => void} fail
   */
  constructor(render, show, fail) {
    Object.assign(this, { render, show, fail });
    this.onchange = () => {}; // called when it begins and ends to work
    this.onpainted = () => {}; // called with the ms from the first change that a picture shows to the picture on the screen
  }

  get busy() {
    return this.#running;
  }

  ask(edit, since = performance.now()) {
    this.#wanted = { edit, since: this.#wanted?.since ?? since };
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    this.onchange();
    while (this.#wanted) {
      const { edit, since } = this.#wanted;
      this.#wanted = null;
      try {
        this.show(await createImageBitmap(await this.render(edit)));
        // On the screen after the frame: measured apart, so that the next request need not wait for it.
        afterFrame(() => this.onpainted(performance.now() - since));
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

/**
 * Pictures of the newest edit: at most one request at a time, and what was asked for meanwhile is skipped. While the hand moves
 * they are rough, which is faster; when it rests, the exact one follows.
 */

const REST_MS = 200; // a hand that holds still for so long rests

export class Preview {
  #wanted = null;
  #running = false;
  #rest = null;

  /**
   * @param {(edit: object, rough: boolean) => Promise<Blob>} render
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

  ask(edit, rough = false, since = performance.now()) {
    clearTimeout(this.#rest);
    if (rough) this.#rest = setTimeout(() => this.ask(edit), REST_MS);
    this.#wanted = { edit, rough, since: this.#wanted?.since ?? since };
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    this.onchange();
    while (this.#wanted) {
      const { edit, rough, since } = this.#wanted;
      this.#wanted = null;
      try {
        this.show(await createImageBitmap(await this.render(edit, rough)));
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

/** The page's session on the server: its pictures, and bringing all back when the server has forgotten them. */

import { Refusal, request, sendJson } from "./api.js";
import { decodeGrey } from "./mask.js";

const FORGOTTEN = [404, 410];

export class Session {
  #id = null;
  #restoring = null; // the promise of it, for several requests may find out at a time
  #sources = new Map(); // slot -> {avatar} or {file, align}: enough to send the picture again

  constructor(side) {
    this.side = side;
  }

  async open() {
    this.#id = (await (await request("POST", "/api/sessions")).json()).id;
  }

  close() {
    if (this.#id) navigator.sendBeacon(`/api/sessions/${this.#id}/close`);
  }

  /** Puts a picture into a slot and answers all that the page shows of it. */
  async putPicture(slot, source) {
    const facts = await this.#recovering(() => this.#send(slot, source));
    this.#sources.set(slot, source);
    return this.#fetchViews(slot, facts);
  }

  async removePicture(slot) {
    this.#sources.delete(slot);
    await this.#recovering(() => request("DELETE", this.#path(`pictures/${slot}`)));
  }

  render(edit) {
    return this.#post("render", edit);
  }

  save(edit, pasteBack) {
    return this.#post("save", { ...edit, paste_back: pasteBack });
  }

  saveProject(edit, page) {
    return this.#post("project", { ...edit, page });
  }

  /** Replaces all pictures by those of a project file. */
  async openProject(file) {
    const answer = await this.#recovering(() => request("PUT", this.#path("project"), file, "application/octet-stream"));
    const { edit, page, pictures } = await answer.json();
    const shown = new Map();
    this.#sources.clear();
    for (const [slot, facts] of Object.entries(pictures)) {
      const picture = await this.#fetchViews(slot, facts);
      this.#sources.set(slot, { file: picture.file, align: false });
      shown.set(slot, picture);
    }
    return { edit, page: page ?? {}, pictures: shown };
  }

  async #post(what, value) {
    const response = await this.#recovering(() => sendJson("POST", this.#path(what), value));
    return response.blob();
  }

  async #send(slot, { avatar, file, align }) {
    const path = this.#path(`pictures/${slot}`);
    if (avatar !== undefined) return (await sendJson("PUT", path, { avatar })).json();
    const type = file.type && !file.type.includes("json") ? file.type : "application/octet-stream";
    return (await request("PUT", path + (align ? "?align=1" : ""), file, type)).json();
  }

  async #fetchViews(slot, facts) {
    const view = async (name) => (await request("GET", this.#path(`pictures/${slot}.png?view=${name}`))).blob();
    const [file, reconstruction] = await Promise.all([view("photo"), view("reconstruction")]);
    const labels = facts.parts ? await this.#fetchLabels(slot) : null;
    return {
      ...facts,
      file,
      labels,
      photo: await createImageBitmap(file),
      reconstruction: await createImageBitmap(reconstruction),
    };
  }

  async #fetchLabels(slot) {
    const answer = await request("GET", this.#path(`pictures/${slot}/parts.png`));
    return decodeGrey(await answer.blob(), this.side);
  }

  /** Does it; where the server has forgotten the session, opens another, sends the pictures and does it once more. */
  async #recovering(action) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof Refusal) || !FORGOTTEN.includes(error.status)) throw error;
    }
    this.#restoring ??= this.#restore().finally(() => (this.#restoring = null));
    await this.#restoring;
    return action();
  }

  async #restore() {
    await this.open();
    for (const [slot, source] of this.#sources) await this.#send(slot, source);
  }

  #path(rest) {
    return `/api/sessions/${this.#id}/${rest}`;
  }
}

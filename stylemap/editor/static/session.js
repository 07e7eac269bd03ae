/** The page's session on the server: its pictures, kept as the edit has them, also when the server has forgotten all. */

import { Refusal, linesOf, request } from "./api.js";
import { decodeGrey } from "./mask.js";
import { fitted, inMemory } from "./shrinking.js";
import { leave } from "./transport.js";

const FORGOTTEN = [404, 410];
const FIT = "pictures/original/fit";

/**
 * A picture knows its source, enough to send it again, with the fit of the weights to it if there is one: {gallery}, {file, crop}, or {project} where it came out of a project
 * file. That is sent whole, for it holds the photo at full size and its stylemap.
 */
export class Session {
  #id = null;
  #turn = Promise.resolve(); // the end of the request that was asked for last
  #held = new Map(); // slot -> the picture that the server has there; null: not known
  #leave = new AbortController(); // of the person who waits

  /** @param {object} info what the server says of itself */
  constructor(info) {
    this.info = info;
    this.onrenewed = () => {}; // called when the server had forgotten the session
  }

  async open() {
    const { id, model } = await (await this.#ask("POST", "api/sessions")).json();
    if (model !== this.info.model) {
      throw new Error("The server runs other weights now. Reload the page to use them. Your edit is kept for the weights it was made with.");
    }
    this.#id = id;
    this.#held = new Map();
  }

  close() {
    if (this.#id) leave(`api/sessions/${this.#id}/close`);
  }

  /** Ends what is being asked. */
  cancel() {
    this.#leave.abort();
    this.#leave = new AbortController();
  }

  /**
   * Puts a picture into a slot and answers all that the page shows of it. A file without a crop is framed by the server; its
   * source has the crop then, so that it stays the same wherever it is sent again.
   */
  putPicture(slot, source) {
    return this.#inTurn(async () => {
      const { file, remark } = source.file && !source.crop ? await fitted(source.file, this.info.limits) : source;
      const facts = await this.#send(slot, { ...source, file });
      const kept = file ? { ...source, file, crop: facts.crop } : source;
      const picture = { ...facts, ...(await this.#fetchViews(slot, facts)), source: kept, shrunk: remark };
      this.#held.set(slot, picture);
      return picture;
    });
  }

  /**
   * Fits the weights to the original; answers the picture that they then draw.
   * @param {(done: number) => void} tell the share that is done
   */
  fit(pictures, signal, tell) {
    return this.#inTurn(async () => {
      await this.#hold(pictures);
      this.#held.set("original", null);
      const response = await request("POST", this.#path("fit"), "{}", "application/json", signal);
      let facts = null;
      for await (const { done, picture, error } of linesOf(response, signal)) {
        if (error) throw new Error(error.charAt(0).toUpperCase() + error.slice(1));
        if (done) tell(done);
        facts = picture ?? facts;
      }
      if (!facts) throw new Error("The server ended the fit. Nothing has changed.");
      const fit = await (await this.#ask("GET", this.#path(FIT))).blob();
      const source = { ...pictures.get("original").source, fit };
      const picture = { ...facts, ...(await this.#fetchViews("original", facts)), source };
      this.#held.set("original", picture);
      return picture;
    });
  }

  /** Whether a picture has a file: those of the gallery have none, and of a project's pictures only the original. */
  hasFile(slot, { source = {}, width, height } = {}) {
    const { resolution } = this.info;
    return Boolean(source.file || (source.project && slot === "original" && (width > resolution || height > resolution)));
  }

  /** The file of a picture that has one. */
  async fileOf(slot, { source }, pictures) {
    if (source.file) return source.file;
    return this.#inTurn(async () => {
      await this.#hold(pictures);
      const answer = await this.#ask("GET", this.#path(`pictures/${slot}/file`));
      return answer.blob();
    });
  }

  /** The faces of a photo, and a picture of it where the browser cannot show it. */
  look(file, { picture = false } = {}) {
    return this.#inTurn(async () => {
      const path = this.#path(`look?picture=${Number(picture)}`);
      return (await this.#ask("POST", path, file, typeOf(file))).json();
    });
  }

  /** @param {Map} pictures those of the edit, which it is drawn with */
  render(edit, pictures) {
    return this.#post("render", edit, pictures);
  }

  /** Answers the picture, and lines on what of the photo it could not keep. */
  async save(edit, pictures) {
    const response = await this.#answer("save", edit, pictures);
    return { picture: await response.blob(), notes: JSON.parse(response.headers.get("x-notes") ?? "[]") };
  }

  saveProject(edit, pictures, page) {
    return this.#post("project", { ...edit, page }, pictures);
  }

  /** Replaces all pictures by those of a project file. */
  openProject(file) {
    return this.#inTurn(async () => {
      const project = { file: await inMemory(file, this.info.limits.project), pictures: new Map() };
      const { edit, page, pictures } = await this.#sendProject(project);
      const slots = Object.entries(pictures).map(([name, facts]) => [name === "original" ? name : Number(name), facts]);
      this.#held = new Map(slots.map(([slot]) => [slot, null])); // in case that a view does not arrive
      for (const [slot, facts] of slots) {
        project.pictures.set(slot, { ...facts, ...(await this.#fetchViews(slot, facts)), source: { project } });
      }
      this.#held = new Map(project.pictures);
      return { edit, page: page ?? {}, pictures: project.pictures };
    });
  }

  async #post(what, value, pictures) {
    return (await this.#answer(what, value, pictures)).blob();
  }

  #answer(what, value, pictures) {
    return this.#inTurn(async () => {
      await this.#hold(pictures);
      return this.#askJson("POST", this.#path(what), value);
    });
  }

  /** Makes the server's pictures the edit's: undo may have changed them, or the server forgotten them. */
  async #hold(pictures) {
    const differs = (slot) => this.#held.get(slot) !== pictures.get(slot);
    const lacking = [...pictures].filter(([slot]) => differs(slot)).map(([, { source }]) => source);
    const { project } = lacking.find((source) => source.project) ?? {}; // opening another begins the history anew
    if (project) {
      await this.#sendProject(project);
      this.#held = new Map(project.pictures);
    }
    for (const slot of new Set([...this.#held.keys(), ...pictures.keys()])) {
      if (!differs(slot)) continue;
      const picture = pictures.get(slot);
      if (picture) {
        await this.#send(slot, picture.source);
        this.#held.set(slot, picture);
      } else {
        await this.#ask("DELETE", this.#path(`pictures/${slot}`));
        this.#held.delete(slot);
      }
    }
  }

  async #send(slot, source) {
    this.#held.set(slot, null);
    const facts = source.project ? null : await this.#sendPhoto(slot, source); // a project was sent whole
    if (!source.fit) return facts;
    return (await this.#ask("PUT", this.#path(FIT), source.fit, "application/octet-stream")).json();
  }

  async #sendPhoto(slot, { gallery, file, crop }) {
    const path = this.#path(`pictures/${slot}`);
    if (gallery !== undefined) return (await this.#askJson("PUT", path, { gallery })).json();
    return (await this.#ask("PUT", `${path}?${crop ? `crop=${crop}` : "frame=auto"}`, file, typeOf(file))).json();
  }

  async #sendProject({ file }) {
    for (const slot of this.#held.keys()) this.#held.set(slot, null);
    return (await this.#ask("PUT", this.#path("project"), file, "application/octet-stream")).json();
  }

  async #fetchViews(slot, facts) {
    const view = async (name) =>
      createImageBitmap(await (await this.#ask("GET", this.#path(`pictures/${slot}.png?view=${name}`))).blob());
    const [photo, reconstruction] = await Promise.all([view("photo"), view("reconstruction")]);
    const errors = await this.#fetchGrey(`pictures/${slot}.png?view=errors`);
    return { photo, reconstruction, errors, labels: facts.parts ? await this.#fetchGrey(`pictures/${slot}/parts.png`) : null };
  }

  async #fetchGrey(path) {
    const answer = await this.#ask("GET", this.#path(path));
    return decodeGrey(await answer.blob(), this.info.resolution);
  }

  #ask(method, path, body, type) {
    return request(method, path, body, type, this.#leave.signal);
  }

  #askJson(method, path, value) {
    return this.#ask(method, path, JSON.stringify(value), "application/json");
  }

  /** One after the other, so that no picture changes between an edit's pictures and its result. */
  #inTurn(action) {
    const result = this.#turn.then(() => this.#recovering(action));
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Does it; where the server has forgotten the session, opens another and does it once more. */
  async #recovering(action) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof Refusal) || !FORGOTTEN.includes(error.status)) throw error;
    }
    await this.open();
    const result = await action();
    this.onrenewed();
    return result;
  }

  #path(rest) {
    return `api/sessions/${this.#id}/${rest}`;
  }
}

const typeOf = ({ type }) => (type && !type.includes("json") ? type : "application/octet-stream");

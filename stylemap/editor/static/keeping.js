/**
 * Work that is kept in the browser, so that a reload, a crash or a page that is closed loses nothing.
 *
 * A page keeps one edit, under a name of its own. What a page left behind is offered to the next one, once.
 */

const DATABASE = "stylemap";
const WAIT_MS = 250; // after a change: while one drags, nothing is written
const LONGEST_MS = 7 * 24 * 3600 * 1000; // after which nobody will miss it
const LAST = "stylemap-page"; // in this tab's own storage, which a reload does not end

export class Keeping {
  #page = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  #opening = open();
  #files = new Map(); // file -> its key
  #kept = null; // the edit that was written last
  #timer = null;

  /** @param {string} model what edits are of: with other weights they would be others */
  constructor(model) {
    this.model = model;
    // Held as long as the page lives. Only pages of this machine or behind https: have locks.
    navigator.locks?.request(this.#page, () => new Promise(() => {}));
  }

  isKept(edit) {
    return edit === this.#kept;
  }

  /** Writes an edit a moment later, or the one that comes meanwhile. */
  keep(edit) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(edit).catch(() => {}), WAIT_MS); // a browser may keep nothing, or be full
  }

  /** Forgets what was kept, or what another page left. */
  async drop(page = this.#page) {
    clearTimeout(this.#timer);
    if (page === this.#page) [this.#kept, this.#files] = [null, new Map()];
    await this.#change((work, files) => {
      work.delete(page);
      files.delete(IDBKeyRange.bound([page], [page, []]));
    });
  }

  /** What a page left behind that is no more, the newest of it: {page, at, edit}, or null. */
  async find() {
    const database = await this.#opening;
    if (!database) return null;
    const all = await done(database.transaction("work").objectStore("work").getAll());
    for (const { page, at } of all) if (Date.now() - at > LONGEST_MS) await this.drop(page);
    const last = sessionStorage.getItem(LAST);
    const held = new Set((await navigator.locks?.query())?.held.map(({ name }) => name));
    const isLeft = ({ page }) => page === last || (navigator.locks && !held.has(page));
    const left = all.filter((one) => one.model === this.model && Date.now() - one.at <= LONGEST_MS && isLeft(one));
    const [newest] = left.sort((a, b) => b.at - a.at);
    return newest ? { ...newest, edit: await this.#read(newest) } : null;
  }

  async #write(edit) {
    const added = [];
    const keyOf = (file) => {
      if (!this.#files.has(file)) {
        this.#files.set(file, [this.#page, this.#files.size]);
        added.push(file);
      }
      return this.#files.get(file);
    };
    const pictures = [...edit.pictures].map(([slot, { source: { gallery, file, crop, project, fit } }]) => {
      const fitted = fit ? { fit: keyOf(fit) } : {};
      if (gallery !== undefined) return [slot, { gallery, ...fitted }];
      return [slot, project ? { project: keyOf(project.file), ...fitted } : { file: keyOf(file), crop, ...fitted }];
    });
    const one = { page: this.#page, at: Date.now(), model: this.model, edit: { ...edit, pictures } };
    try {
      await this.#change((work, files) => {
        for (const file of added) files.put(file, this.#files.get(file));
        work.put(one);
      });
    } catch (error) {
      for (const file of added) this.#files.delete(file);
      throw error;
    }
    this.#kept = edit;
    sessionStorage.setItem(LAST, this.#page);
  }

  /** An edit whose pictures are their sources, with their files. */
  async #read({ edit }) {
    const files = (await this.#opening).transaction("files").objectStore("files");
    const read = new Map(); // one file of several pictures stays one
    const fileOf = async (key) => {
      const name = key.join();
      if (!read.has(name)) read.set(name, await done(files.get(key)));
      return read.get(name);
    };
    const sources = new Map();
    for (const [slot, { file, project, fit, ...source }] of edit.pictures) {
      for (const [name, key] of Object.entries({ file, project, fit })) if (key) source[name] = await fileOf(key);
      sources.set(slot, source);
    }
    return { ...edit, pictures: sources };
  }

  async #change(action) {
    const database = await this.#opening;
    if (!database) throw new Error("This browser keeps nothing.");
    const transaction = database.transaction(["work", "files"], "readwrite");
    action(transaction.objectStore("work"), transaction.objectStore("files"));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** The database, or null where there is none, as in some private windows. */
async function open() {
  try {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("work", { keyPath: "page" });
      asked.result.createObjectStore("files");
    };
    const database = await done(asked);
    database.onversionchange = () => database.close();
    return database;
  } catch {
    return null;
  }
}

function done(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

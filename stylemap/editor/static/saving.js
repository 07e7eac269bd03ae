/** Project files, out and in, and work that was kept. */

import { countKept, forPage, forServer, fromServer } from "./edit.js";
import { download } from "./widgets.js";

export class Saving {
  constructor(editor, session) {
    Object.assign(this, { editor, session });
  }

  async saveProject() {
    const { edit, side, view, info } = this.editor;
    const { radius, softness } = view;
    const page = { ...forPage(edit, side, info.limits.page), radius, softness };
    download(await this.session.saveProject(forServer(edit, side), edit.pictures, page), "edit.safetensors");
    this.editor.markSaved(edit);
  }

  /** Answers how many of its changes the page cannot show. */
  async openProject(file) {
    const { edit, page, pictures } = await this.session.openProject(file);
    const { side, info } = this.editor;
    const opened = await fromServer(edit, page, pictures, side, info.references);
    this.editor.replace(opened);
    const { radius, softness } = page;
    if (radius !== undefined && softness !== undefined) this.editor.look({ radius, softness });
    return countKept(opened);
  }

  /** The pictures of an edit that was kept, sent again from their sources. */
  async sendKept(sources) {
    const [project] = [...sources.values()].map((source) => source.project).filter(Boolean);
    const opened = project ? (await this.session.openProject(project)).pictures : new Map();
    const pictures = new Map();
    for (const [slot, source] of sources) {
      const known = opened.get(slot);
      if (source.project && !source.fit) pictures.set(slot, known);
      else pictures.set(slot, await this.session.putPicture(slot, known ? { ...known.source, fit: source.fit } : source));
    }
    return pictures;
  }
}

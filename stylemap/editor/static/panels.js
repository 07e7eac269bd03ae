/** The panel and the tool bar: strength, scale, flip, directions, blending, tools. */

import { rangeOf, withoutPushes } from "./edit.js";
import { BRUSH, TOLERANCE } from "./editor.js";
import { isEmpty } from "./mask.js";
import { UNKNOWN } from "./parts.js";
import { nextScale } from "./placement.js";
import { find, onSlide, percent, pixels, radioGroup, signed } from "./widgets.js";

const MOST = 3; // standard deviations, at the ends of a direction's slider
const PART = "Part: click an eye, the hair … (P)";

export class Panels {
  constructor(editor) {
    this.editor = editor;
    this.#wireRegion();
    this.#wireBlending();
    this.#wireTools();
    this.#buildDirections();
    for (const name of ["edit", "view", "pictures"]) editor.addEventListener(name, () => this.#refresh());
    this.#refresh();
  }

  scale(step) {
    if (this.editor.isPainted) this.editor.changePatch({ scale: nextScale(this.editor.patch.scale, step) });
  }

  flip() {
    if (this.editor.isPainted) this.editor.changePatch({ flip: !this.editor.patch.flip });
  }

  home() {
    if (this.editor.isPainted) this.editor.changePatch({ shift: [0, 0], scale: 1, flip: false });
  }

  clear() {
    if (this.editor.isPainted) this.editor.clear();
  }

  /** The sheet of a phone; on a wide page the panel is always there. */
  toggleSheet(open = !find("#panel").classList.contains("open")) {
    find("#panel").classList.toggle("open", open);
    find("#adjust").setAttribute("aria-expanded", open);
  }

  #wireRegion() {
    const { editor } = this;
    [find("#strength").min, find("#strength").max] = rangeOf("patches", "strength");
    onSlide(find("#strength"), editor, (strength, how) => editor.changePatch({ strength }, how));
    find("#smaller").addEventListener("click", () => this.scale(-1));
    find("#larger").addEventListener("click", () => this.scale(1));
    find("#flip").addEventListener("click", () => this.flip());
    find("#home").addEventListener("click", () => this.home());
    find("#clear").addEventListener("click", () => this.clear());
  }

  #wireBlending() {
    const { editor } = this;
    const slider = find("#feather");
    const [least, most] = rangeOf("patches", "feather");
    [slider.min, slider.max, slider.step] = [least, Math.min(editor.side / 4, most), editor.side / 64];
    onSlide(slider, editor, (feather, how) => editor.changePatch({ feather }, how));
    find("#hard").addEventListener("change", ({ target }) => editor.changePatch({ hard: target.checked }));
    find("#keep-detail").addEventListener("change", ({ target }) => editor.change({ keepDetail: target.checked }));
    this.#wireLayers();
    const space = find("#blending [role=radiogroup]");
    this.markSpace = radioGroup(space, ({ dataset }) => editor.change({ space: dataset.space }));
  }

  #wireLayers() {
    const { editor } = this;
    const count = editor.info.layers;
    const [first, last] = [find("#first-layer"), find("#last-layer")];
    for (const select of [first, last]) {
      select.replaceChildren(...Array.from({ length: count }, (_, layer) => new Option(layer, layer)));
      select.addEventListener("change", () => {
        // the one that was not touched gives way
        const from = select === first ? +first.value : Math.min(+first.value, +last.value);
        const end = (select === last ? +last.value : Math.max(+first.value, +last.value)) + 1;
        editor.changePatch({ layers: from === 0 && end === count ? null : [from, end] });
      });
    }
  }

  #wireTools() {
    const { editor } = this;
    this.markTool = radioGroup(find("#tools"), ({ dataset }) => editor.look({ tool: dataset.tool }));
    [find("#size").min, find("#size").max] = [100 * BRUSH.least, 100 * BRUSH.most];
    [find("#tolerance").min, find("#tolerance").max] = [TOLERANCE.least, TOLERANCE.most];
    find("#tolerance").addEventListener("input", ({ target }) => editor.look({ tolerance: +target.value }));
    find("#size").addEventListener("input", ({ target }) => editor.look({ radius: target.value / 100 }));
    find("#softness").addEventListener("input", ({ target }) => editor.look({ softness: target.value / 100 }));
    find("#adjust").addEventListener("click", () => this.toggleSheet());
  }

  #buildDirections() {
    const { editor } = this;
    find("#directions").hidden = editor.info.directions.length === 0;
    this.sliders = editor.info.directions.map(({ name, accuracy }) => {
      const label = document.createElement("label");
      label.className = "slider";
      if (accuracy !== null) label.title = `Found by a linear classifier that is right for ${Math.round(100 * accuracy)} %`;
      const [text, input, value] = ["span", "input", "output"].map((tag) => document.createElement(tag));
      text.textContent = name.replaceAll("_", " ");
      Object.assign(input, { type: "range", min: -MOST, max: MOST, step: 0.1 });
      input.dataset.direction = name;
      onSlide(input, editor, (amount, how) => editor.change({ amounts: { ...editor.edit.amounts, [name]: amount } }, how));
      label.addEventListener("dblclick", () => editor.change({ amounts: { ...editor.edit.amounts, [name]: 0 } }));
      label.append(text, input, value); // the first of them that can be labelled is what the label names;
      return { name, label, value, input };
    });
    find("#sliders").replaceChildren(...this.sliders.map(({ label }) => label));
    find("#reset-sliders").addEventListener("click", () => editor.change(withoutPushes(editor.edit)));
    find("#clear-selection").addEventListener("click", () => editor.change({ selection: null }));
    const where = find("#directions [role=radiogroup]");
    this.markLimited = radioGroup(where, ({ dataset }) => {
      const limited = dataset.limited === "true";
      if (limited && ["part", "move"].includes(editor.view.tool)) editor.look({ tool: "brush" }); // what a region begins with
      editor.change({ limited });
    });
  }

  #refresh() {
    const { edit, patch, view, isPainted } = this.editor;
    find("#region").disabled = !isPainted;
    setSlider(find("#strength"), patch.strength, percent(patch.strength));
    find("#scale").textContent = percent(patch.scale);
    find("#flip").setAttribute("aria-pressed", patch.flip);
    setSlider(find("#feather"), patch.feather, pixels(patch.feather));
    find("#feather").disabled = find("#hard").disabled = !isPainted;
    find("#hard").checked = patch.hard;
    find("#keep-detail").checked = edit.keepDetail;
    const [from, end] = patch.layers ?? [0, this.editor.info.layers];
    [find("#first-layer").value, find("#last-layer").value] = [from, end - 1];
    find("#first-layer").disabled = find("#last-layer").disabled = !isPainted;
    find("#layers").hidden = edit.space === "w"; // which has but one map
    this.markSpace(({ dataset }) => dataset.space === edit.space);
    this.markTool(({ dataset }) => dataset.tool === view.tool);
    const part = find("#tools [data-tool=part]");
    part.disabled = !this.editor.knowsParts;
    part.title = part.disabled ? UNKNOWN : PART;
    find("#size").value = Math.round(100 * view.radius);
    find("#tolerance").value = Math.round(view.tolerance);
    find("#tolerance").parentElement.hidden = view.tool !== "wand";
    find("#size").parentElement.hidden = view.tool === "wand";
    find("#softness").value = Math.round(100 * view.softness);
    this.#refreshDirections(edit);
  }

  #refreshDirections({ amounts, limited, selection }) {
    for (const { name, input, value } of this.sliders) {
      const amount = amounts[name] ?? 0;
      if (Math.abs(amount) > input.max) {
        input.max = Math.ceil(Math.abs(amount)); // a project may go further
        input.min = -input.max;
      }
      input.value = amount;
      value.textContent = signed(amount);
    }
    this.markLimited(({ dataset }) => (dataset.limited === "true") === limited);
    find("#selection-hint").hidden = !limited || !isEmpty(selection);
    find("#clear-selection").hidden = !limited || isEmpty(selection);
  }
}

function setSlider(input, value, text) {
  input.value = value;
  input.parentElement.querySelector("output").textContent = text;
}

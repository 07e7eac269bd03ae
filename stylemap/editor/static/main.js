/** Puts the page together. */

import { Cancelled, Refusal, Silence, request } from "./api.js";
import { withSign } from "./busy.js";
import { Chooser } from "./chooser.js";
import { countKept, forServer, newEdit, useSchema } from "./edit.js";
import { Editor } from "./editor.js";
import { Exporting } from "./exporting.js";
import { Fitting } from "./fitting.js";
import { Framing, readPhoto } from "./framing.js";
import { Keeping } from "./keeping.js";
import { Mover } from "./mover.js";
import { clearNotice, flash, say, showNotice } from "./notices.js";
import { Panels } from "./panels.js";
import { ReferencePane } from "./reference_pane.js";
import { isAnythingPainted, reframed } from "./reframing.js";
import { Rendering } from "./rendering.js";
import { ResultPane } from "./result_pane.js";
import { Saving } from "./saving.js";
import { Session } from "./session.js";
import { listen } from "./shortcuts.js";
import { fit, zoomIn, zoomOut } from "./view.js";
import { answerOf, find } from "./widgets.js";

const FIRST = [["original", 5], [0, 3]]; // of the drawn faces two that differ in much: something to see at once
const RETRY_MS = 1500;

const info = await request("GET", "api/info")
  .then((response) => response.json())
  .catch((error) => {
    document.body.classList.remove("loading");
    showNotice(error.message, { stays: true });
    throw error;
  });
useSchema(info.edit);
const editor = new Editor(info);
const session = new Session(info);
const keeping = new Keeping(info.model);
const rendering = new Rendering(render, show, renderingFailed);
const mover = new Mover(editor);
const chooser = new Chooser(editor, (slot, source) => attempt(() => putPicture(slot, source)), openProject);
const choose = (slot) => chooser.open(slot);
const framing = new Framing();
const result = new ResultPane(editor, { mover, choose });
new ReferencePane(editor, { choose, remove: (slot) => editor.removeReference(slot), mover });
const panels = new Panels(editor);
const saving = new Saving(editor, session);
const exporting = new Exporting(editor, session, attempt);
new Fitting(editor, session);

// ---- the picture

function render(edit, preview) {
  const asJson = { ...forServer(edit, info.resolution), preview };
  return withSign(find("#result-stage"), () => session.render(asJson, edit.pictures));
}

let asked = {}; // the edit whose picture was asked for last, and whether a preview would do
let failing = false;
let retry = null;

function show(picture) {
  result.show(picture);
  if (!tellNews() && failing) clearNotice();
  failing = false;
}

function refresh(since) {
  if (!editor.pictures.has("original")) return;
  asked = { edit: editor.edit, preview: !editor.history.isSettled };
  rendering.ask(asked.edit, asked.preview, since);
}

rendering.onchange = () => find("#result-stage").setAttribute("aria-busy", rendering.busy);
rendering.onpainted = (latency, preview) => {
  Object.assign(find("#result-stage").dataset, { preview, latency }); // benchmarks/editor.py reads them
  find("#live").textContent = `Live: ${Math.round(latency)} ms`;
};

function renderingFailed(error) {
  if (error instanceof Cancelled) return refresh(); // it was something else that the person did not wait for
  failed(error);
  failing = true;
  if (!(error instanceof Silence) && !(error instanceof Refusal && error.isPassing)) return;
  retry ??= setTimeout(() => {
    retry = null;
    refresh();
  }, RETRY_MS);
}

// ---- pictures

async function putPicture(slot, source) {
  const picture = await session.putPicture(slot, source);
  editor.setPicture(slot, picture);
  say(slot === "original" ? "The original is loaded." : `Reference ${slot + 1} is loaded.`);
  return [picture.shrunk, framed(picture), picture.remark].filter(Boolean).join(" ");
}

/** A line on the square that the server chose, where one may want another. */
function framed({ faces, aligned }) {
  if (faces === 0) return "No face was found, so this is the middle of the photo. Crop chooses another square.";
  return aligned && faces > 1 ? `The largest of ${faces} faces was taken. Crop chooses another.` : null;
}

/** Lets the person choose the square of a photo; what is painted stays where it is on the photo. */
async function crop(slot) {
  const picture = editor.pictures.get(slot);
  let opened = null;
  await attempt(async () => {
    const file = await session.fileOf(slot, picture, editor.pictures);
    const photo = await readPhoto(file, picture, async () => (await session.look(file, { picture: true })).picture);
    opened = { file, photo };
  });
  if (!opened) return;
  const { file, photo } = opened;
  const faces = info.detector ? session.look(file).then((found) => found.faces) : Promise.resolve([]);
  const title = slot === "original" ? "Crop the original" : `Crop reference ${slot + 1}`;
  const square = await framing.choose({ ...picture, title, photo, faces });
  if (square) await attempt(() => recrop(slot, file, square));
}

async function recrop(slot, file, square) {
  const picture = await session.putPicture(slot, { file, crop: square });
  const { edit } = editor;
  editor.change(reframed(edit, slot, picture, info.resolution), { what: "crop" });
  say("The photo is cropped anew.");
  const kept = isAnythingPainted(edit) && "What you painted stays where it is on the photo.";
  const unfitted = edit.pictures.get(slot).source.fit && "The weights were fitted to the other square: fit them again.";
  const hidden = countKept(edit) > 0 && "Changes that the page cannot show stay where they were in the square.";
  return [kept, hidden, unfitted, picture.remark].filter(Boolean).join(" ");
}

for (const [button, slotOf] of [["original", () => "original"], ["reference", () => editor.view.active]]) {
  const crops = find(`#crop-${button}`);
  crops.addEventListener("click", () => crop(slotOf()));
  for (const name of ["pictures", "view"]) {
    editor.addEventListener(name, () => {
      crops.hidden = !session.hasFile(slotOf(), editor.pictures.get(slotOf()));
    });
  }
}

async function openProject(file) {
  if (editor.isUnsaved && (await answerOf(find("#discard"))) === null) return;
  await attempt(async () => {
    const kept = await saving.openProject(file);
    if (kept === 0) return null;
    return `This project holds changes that the page cannot show (${kept}). They stay in the image and in the files that you save.`;
  });
}

let attempts = 0; // that are on their way

/** Does something that may fail, and tells the person why it did, or what it answers. */
async function attempt(action) {
  attempts += 1;
  document.body.setAttribute("aria-busy", true);
  try {
    const remark = await withSign(document.body, action);
    if (!tellNews(remark)) clearNotice();
  } catch (error) {
    failed(error);
  } finally {
    attempts -= 1;
    if (attempts === 0) document.body.removeAttribute("aria-busy");
  }
}

let news = null; // what happened on the way

session.onrenewed = () => {
  news = "The server had ended this page's session. Your images were sent again, and nothing is lost.";
};

function tellNews(remark) {
  const line = [news, remark].filter(Boolean).join(" ");
  news = null;
  if (line) showNotice(line, { calm: true });
  return line !== "";
}

// ---- work that an earlier page left

/** Asks whether to go on with it; answers whether it is there now. */
async function goOn() {
  const left = await keeping.find().catch(() => null);
  if (!left) return false;
  find("#kept-at").textContent = new Date(left.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const answer = await answerOf(find("#kept"));
  if (answer === "go-on") {
    await attempt(async () => {
      const edit = { ...left.edit, pictures: await saving.sendKept(left.edit.pictures) };
      editor.replace(edit, { isSaved: false });
      keeping.keep(edit);
    });
  }
  const isBack = editor.pictures.has("original");
  if (isBack || answer === "forget") await keeping.drop(left.page);
  return isBack;
}

function failed(error) {
  showNotice(error.message, { calm: error instanceof Cancelled });
}

// ---- the frame

async function saveProject() {
  await attempt(async () => {
    await saving.saveProject();
    await keeping.drop(); // all of it is in the file
  });
}

function undo() {
  const name = editor.undo();
  if (name) flash(`Undone: ${name}`);
}

function redo() {
  const name = editor.redo();
  if (name) flash(`Done again: ${name}`);
}

/** A button of the history, named by the step that it would take. */
function label(button, verb, name, keys) {
  button.disabled = name === null;
  const text = name?.includes("→") ? `${verb}: ${name}` : [verb, name].filter(Boolean).join(" ");
  button.setAttribute("aria-label", text);
  button.title = `${text} (${keys})`;
}

const compare = () => editor.look({ before: editor.view.before > 0 ? 0 : 1 });
const soften = (step) => editor.look({ softness: Math.min(1, Math.max(0, editor.view.softness + step)) });
const take = (tool) => (tool !== "part" || editor.knowsParts) && editor.look({ tool });

listen([
  { keys: ["b"], shown: "B", text: "Brush", run: () => take("brush") },
  { keys: ["e"], shown: "E", text: "Eraser (or any tool with Alt)", run: () => take("eraser") },
  { keys: ["r"], shown: "R", text: "Box", run: () => take("box") },
  { keys: ["l"], shown: "L", text: "Lasso: draw around, or click corners; Enter closes it", run: () => take("lasso") },
  { keys: ["w"], shown: "W", text: "Wand: click a colour", run: () => take("wand") },
  { keys: ["p"], shown: "P", text: "Part: click an eye, the hair …", run: () => take("part") },
  { keys: ["v"], shown: "V", text: "Move the region", run: () => take("move") },
  { keys: ["["], shown: "[ ]", text: "Smaller or larger brush, tolerance of the wand", run: () => editor.resizeBrush(1 / 1.2) },
  { keys: ["Shift+["], shown: "Shift [ ]", text: "Harder or softer brush", run: () => soften(-0.1) },
  { keys: ["f"], shown: "F", text: "Flip the region", run: () => panels.flip() },
  { keys: ["+", "="], shown: "+ -", text: "Larger or smaller region", run: () => panels.scale(1) },
  { keys: ["Shift+v"], shown: "Shift V", text: "Move the region back to its place", run: () => panels.home() },
  { keys: ["z"], shown: "Z Shift Z", text: "Zoom in or out (or the wheel; Space and a drag move)", run: zoomIn },
  { keys: ["0"], text: "Show all of the picture", run: fit },
  { keys: ["Delete", "Backspace"], text: "Clear the region", run: () => panels.clear() },
  { keys: ["h"], shown: "H", text: "Hatch what these weights draw badly", run: () => editor.look({ errors: !editor.view.errors }) },
  { keys: ["c"], shown: "C Shift C", text: "Crop the original, the reference", run: () => find("#crop-original").click() },
  { keys: ["x"], shown: "X", text: "Before and after", run: compare },
  { keys: ["Ctrl+z"], shown: "Ctrl Z", text: "Undo", run: undo },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], shown: "Ctrl Shift Z", text: "Redo", run: redo },
  { keys: ["o"], shown: "O", text: "Open a photo of yours", run: () => chooser.browse("original") },
  { keys: ["s", "Ctrl+s"], shown: "S", text: "Save or copy the picture", run: () => exporting.open() },
  { keys: ["Shift+s", "Ctrl+Shift+s"], shown: "Shift S", text: "Save a project file", run: saveProject },
  { keys: ["?"], text: "This list", run: () => find("#help").showModal() },
  { keys: [], shown: "← ↑ → ↓ Space", text: "On the reference: move the brush, paint", run: () => {} },
  { keys: [], shown: "← ↑ → ↓", text: "On the result: move the region", run: () => {} },
  { keys: ["Escape"], text: "Close the panel (on a phone)", run: () => panels.toggleSheet(false) },
], [
  ["Shift+z", zoomOut],
  ["Shift+c", () => find("#crop-reference").click()],
  ["]", () => editor.resizeBrush(1.2)],
  ["Shift+]", () => soften(0.1)],
  ["-", () => panels.scale(-1)],
]);

document.title = `${info.weights} · stylemap editor`;
find("#facts").textContent = `${info.weights} · ${info.resolution} px`;
find("#open-photo").addEventListener("click", () => chooser.browse("original"));
find("#save").addEventListener("click", () => exporting.open());
find("#save-project").addEventListener("click", saveProject);
find("#open-project").addEventListener("click", () => find("#project-file").click());
find("#project-file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) openProject(file);
});
find("#undo").addEventListener("click", undo);
find("#redo").addEventListener("click", redo);
find("#help-button").addEventListener("click", () => find("#help").showModal());
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", ({ target }) => {
    const button = target.closest("button[value]");
    if (button) dialog.close(button.value);
    else if (target === dialog || target.closest(".close")) dialog.close(); // beside it, or its cross
  });
}

editor.addEventListener("edit", ({ since }) => {
  label(find("#undo"), "Undo", editor.history.undoName, "Ctrl+Z");
  label(find("#redo"), "Redo", editor.history.redoName, "Ctrl+Shift+Z");
  if (editor.edit !== asked.edit || asked.preview) refresh(since); // the end of a drag may change nothing any more
});
editor.addEventListener("edit", () => editor.isUnsaved && keeping.keep(editor.edit));
window.addEventListener("beforeunload", (event) => {
  if (editor.isUnsaved && !keeping.isKept(editor.edit)) event.preventDefault();
});
find("#cancel").addEventListener("click", () => session.cancel());
window.addEventListener("pagehide", () => session.close());

await attempt(() => session.open());
document.body.classList.remove("loading");
if (!(await goOn())) {
  await attempt(async () => {
    const first = ([slot, index]) => session.putPicture(slot, { gallery: Math.min(index, info.gallery.count - 1) });
    const [original, reference] = await Promise.all(FIRST.map(first));
    editor.replace({ ...newEdit(info.references), pictures: new Map([["original", original], [0, reference]]) });
  });
}

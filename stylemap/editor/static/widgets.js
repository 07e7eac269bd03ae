/** Small pieces of the page. */

export const find = (selector) => document.querySelector(selector);

export const percent = (share) => `${Math.round(100 * share)} %`;
export const pixels = (count) => `${Number(count.toFixed(1))} px`;
export const signed = (amount) => `${amount > 0 ? "+" : ""}${Number(amount.toFixed(1))}`;

export function iconButton(icon, label) {
  const button = document.createElement("button");
  button.className = "icon";
  button.title = label;
  button.setAttribute("aria-label", label);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `static/icons.svg#${icon}`);
  svg.append(use);
  button.append(svg);
  return button;
}

export function thumbnail(bitmap, label) {
  const button = document.createElement("button");
  button.className = "thumb";
  button.title = label;
  button.setAttribute("aria-label", label);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  button.append(canvas);
  return button;
}

/** A slider that shows its effect while it is dragged and makes one step of undo when it is let go. */
export function onSlide(input, editor, show) {
  input.addEventListener("input", (event) => show(Number(input.value), { commit: false, since: event.timeStamp }));
  input.addEventListener("change", () => editor.commit());
}

/**
 * Buttons of which one is chosen, as radio buttons are: one stop of the Tab key, arrows within.
 * @param {(button: HTMLButtonElement) => void} choose
 */
export function radioGroup(group, choose) {
  const all = [...group.querySelectorAll("[role=radio]")];
  for (const button of all) button.addEventListener("click", () => choose(button));
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = all.filter(({ disabled }) => !disabled);
    const next = buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length);
    next.focus();
    choose(next);
  });
  return (isChosen) => {
    for (const button of all) {
      const chosen = isChosen(button);
      button.setAttribute("aria-checked", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
  };
}

const asked = new WeakMap(); // dialog -> the end of its last question

/** Opens a dialog; the value of the button that closes it, or null where it is closed without one. */
export function answerOf(dialog) {
  asked.get(dialog)?.(null);
  return new Promise((resolve) => {
    asked.set(dialog, resolve);
    dialog.returnValue = ""; // it would keep the answer before
    // The event comes a moment after a dialog is closed, and it may be open again by then.
    dialog.onclose = () => dialog.open || resolve(dialog.returnValue || null);
    dialog.showModal();
  });
}

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it after the click
}

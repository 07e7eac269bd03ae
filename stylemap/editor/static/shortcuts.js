/** The keyboard: one table that is listened to and shown in the help. */

const TYPING = "input:not([type=range]):not([type=checkbox]), textarea";

/**
 * @param {{keys: string[], text: string, shown?: string, run: () => void}[]} shortcuts keys as "Ctrl+Shift+z", "[", "?"
 * @param {[string, () => void][]} others the second halves of pairs, which the help shows with the first
 */
export function listen(shortcuts, others) {
  const actions = new Map([...shortcuts.flatMap(({ keys, run }) => keys.map((key) => [key, run])), ...others]);
  document.addEventListener("keydown", (event) => {
    if (event.target.closest(TYPING) || document.querySelector("dialog[open]")) return;
    const action = actions.get(nameOf(event));
    if (!action) return;
    event.preventDefault();
    action();
  });
  fillHelp(shortcuts);
}

function nameOf({ key, code, ctrlKey, metaKey, shiftKey, altKey }) {
  // Signs are taken as they are typed, wherever the layout has them; brackets by their place, for Shift changes the sign.
  const bracket = { BracketLeft: "[", BracketRight: "]" }[code];
  const name = bracket ?? (key.length === 1 ? key.toLowerCase() : key);
  const shifted = shiftKey && (bracket || key.length > 1 || /[a-z]/i.test(key));
  return [(ctrlKey || metaKey) && "Ctrl", altKey && "Alt", shifted && "Shift", name].filter(Boolean).join("+");
}

function fillHelp(shortcuts) {
  const rows = shortcuts.map(({ keys, shown, text }) => {
    const row = document.createElement("tr");
    const [left, right] = [row.insertCell(), row.insertCell()];
    (shown ?? keys[0]).split(" ").forEach((key) => {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      left.append(cap, " ");
    });
    right.textContent = text;
    return row;
  });
  document.querySelector("#help tbody").replaceChildren(...rows);
}

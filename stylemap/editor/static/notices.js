/** One line at the top for what went wrong, and one for screen readers. */

const STAYS_MS = 12_000;
const notice = document.querySelector("#notice");
let leaving;

notice.querySelector("button").addEventListener("click", clearNotice);

/** Stays for a while, unless it is dismissed or what was asked for next has worked. */
export function showNotice(text) {
  const line = text.charAt(0).toUpperCase() + text.slice(1);
  const paragraph = notice.querySelector("p");
  if (notice.hidden || paragraph.textContent !== line) paragraph.textContent = line; // else it would be read out again
  notice.hidden = false;
  leaveLater();
}

export function clearNotice() {
  clearTimeout(leaving);
  notice.hidden = true;
}

function leaveLater() {
  clearTimeout(leaving);
  // Who points at it or has the focus in it still reads.
  leaving = setTimeout(() => (notice.matches(":hover, :focus-within") ? leaveLater() : clearNotice()), STAYS_MS);
}

export function say(text) {
  document.querySelector("#status").textContent = text;
}

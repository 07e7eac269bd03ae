/** One line at the top for what went wrong or what one should know, one for screen readers, and one that shows for a moment. */

const STAYS_MS = 12_000;
const FLASH_MS = 2500;
const notice = document.querySelector("#notice");
const flashed = document.querySelector("#flash");
let leaving;
let fading;

notice.querySelector("button").addEventListener("click", clearNotice);

/**
 * Stays for a while, unless it is dismissed or what was asked for next has worked.
 * @param {{calm?: boolean, stays?: boolean}} how calm: nothing has failed; stays: it does not leave by itself
 */
export function showNotice(text, { calm = false, stays = false } = {}) {
  const paragraph = notice.querySelector("p");
  if (notice.hidden || paragraph.textContent !== text) paragraph.textContent = text; // else it would be read out again
  notice.hidden = false;
  notice.classList.toggle("calm", calm);
  clearTimeout(leaving);
  if (!stays) leaveLater();
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

/** Tells what was done, where it may be out of sight. */
export function flash(text) {
  say(text);
  clearTimeout(fading);
  flashed.textContent = text;
  flashed.hidden = false;
  fading = setTimeout(() => (flashed.hidden = true), FLASH_MS);
}

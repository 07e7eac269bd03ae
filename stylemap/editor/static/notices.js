/** One line at the top for what went wrong or what one should know, and one for screen readers. */

const STAYS_MS = 12_000;
const notice = document.querySelector("#notice");
let leaving;

notice.querySelector("button").addEventListener("click", clearNotice);

/**
 * Stays for a while, unless it is dismissed or what was asked for next has worked.
 * @param {{calm?: boolean}} how calm: nothing has failed
 */
export function showNotice(text, { calm = false } = {}) {
  const paragraph = notice.querySelector("p");
  if (notice.hidden || paragraph.textContent !== text) paragraph.textContent = text; // else it would be read out again
  notice.hidden = false;
  notice.classList.toggle("calm", calm);
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

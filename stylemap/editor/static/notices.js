/** One line at the top for what went wrong, and one for screen readers. */

const notice = document.querySelector("#notice");

notice.querySelector("button").addEventListener("click", clearNotice);

/** Stays until it is dismissed or what was asked for next has worked. */
export function showNotice(text) {
  notice.querySelector("p").textContent = text.charAt(0).toUpperCase() + text.slice(1);
  notice.hidden = false;
}

export function clearNotice() {
  notice.hidden = true;
}

export function say(text) {
  document.querySelector("#status").textContent = text;
}

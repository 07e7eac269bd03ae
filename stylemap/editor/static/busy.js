/** A sign of work, where it takes longer than one would wonder. */

const PATIENCE_MS = 300;
const working = new Map(); // element -> how much works there

/** Does something; the element has the class "slow" while it takes long. */
export async function withSign(element, action) {
  working.set(element, (working.get(element) ?? 0) + 1);
  const timer = setTimeout(() => element.classList.add("slow"), PATIENCE_MS);
  try {
    return await action();
  } finally {
    clearTimeout(timer);
    working.set(element, working.get(element) - 1);
    if (working.get(element) === 0) element.classList.remove("slow");
  }
}

/**
 * Takes the place of the editor's transport.js in a site: a worker of this page answers what a server would. A service worker
 * keeps the files, so that the page works without a network, and gives it the headers with which browsers allow threads.
 */

const RELOADED = `stylemap-reloaded ${location.pathname}`;
const UNDER_WAY = new Map(); // number of a request -> {answer, fail}

async function keepFiles() {
  if (!("serviceWorker" in navigator)) return;
  const isControlled = navigator.serviceWorker.controller !== null;
  try {
    const registration = await navigator.serviceWorker.register("sw.js");
    if (isControlled || !(await isAtWork(registration))) return;
  } catch {
    return; // a private window, or a host without https: all works, with the network and in one thread
  }
  if (self.crossOriginIsolated || sessionStorage.getItem(RELOADED)) return;
  sessionStorage.setItem(RELOADED, "once");
  location.reload(); // only a page that is loaded anew gets the headers
  await new Promise(() => {});
}

/** Whether a service worker begins to work; it may fail to install. */
function isAtWork({ active, waiting, installing }) {
  const worker = installing ?? waiting ?? active;
  return new Promise((resolve) => {
    const tell = () => {
      if (worker.state === "activated") resolve(true);
      else if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", tell);
    tell();
  });
}

await keepFiles();
const address = new URL("../local/worker.js", import.meta.url);
address.search = location.search; // ?device=wasm or ?device=webgpu
const worker = new Worker(address, { type: "module" });
const [, sign, cancel] = document.querySelector("#busy").children; // "Working …", and the button
const working = sign.textContent;
cancel.hidden = true; // until there is something that can be cancelled

worker.onmessage = ({ data: { id, status, body, headers, loaded, total, device } }) => {
  if (loaded) {
    sign.textContent = `Loading ${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB …`;
  } else if (device) {
    document.body.dataset.device = device;
    sign.textContent = working;
    cancel.hidden = false;
    navigator.serviceWorker?.controller?.postMessage("fill"); // what was not needed yet
  } else {
    UNDER_WAY.get(id)?.answer(new Response(body, { status, headers }));
    UNDER_WAY.delete(id);
  }
};
worker.onerror = ({ message }) => {
  failure = new Error(message ?? "a script is missing");
  for (const { fail } of UNDER_WAY.values()) fail(failure);
};

navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  if (data === "filled") document.body.dataset.offline = "ready";
});

let asked = 0;
let failure = null; // of the worker

/** What the person is told when no answer comes. */
export const SILENCE = "The networks of this page have stopped. Reload it: your work is kept.";

/** As fetch, of the addresses that docs/editor.md lists. */
export function ask(path, { method, body, signal } = {}) {
  asked += 1;
  const id = asked;
  return new Promise((resolve, reject) => {
    const cancel = () => reject(signal.reason);
    const fail = (error) => {
      if (document.body.dataset.device) return reject(error); // it has worked before
      const told = `this browser cannot run the page: ${error.message}; take a newer one, or another`;
      return resolve(new Response(JSON.stringify({ error: told }), { status: 500 }));
    };
    if (failure) return fail(failure);
    signal?.addEventListener("abort", cancel);
    const answer = (response) => {
      signal?.removeEventListener("abort", cancel);
      resolve(response);
    };
    UNDER_WAY.set(id, { answer, fail });
    return worker.postMessage({ id, method, path, body });
  });
}

/** There is no server that must know. */
export function leave() {}

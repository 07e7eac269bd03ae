/**
 * Keeps the files of the site in the browser, and gives them headers: browsers allow threads then, and no other server is asked. An
 * export writes SITE before this: the version, the files with their hashes, and what scripts may ask for.
 */

const OURS = `stylemap ${self.registration.scope} `;
const NAME = OURS + SITE.version;
const RUNTIME = "local/runtime/"; // builds of the runtime, of which a browser needs one
const HEADERS = {
  "content-security-policy": SITE.policy, // of the worker too, which a tag in the page does not bind
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

const addressOf = (file) => new URL(file, self.registration.scope).href;
const fresh = (file) => new Request(addressOf(file), { cache: "no-cache", integrity: SITE.files[file] });
const oldCaches = async () => (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== NAME);

self.addEventListener("install", (event) => event.waitUntil(install()));

self.addEventListener("activate", (event) => {
  event.waitUntil(oldCaches().then((names) => Promise.all(names.map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

/**
 * The first version keeps what the page begins with. A later one keeps all that the one before had, and waits until its pages are
 * closed: a page never sees files of two versions, and it always works without a network.
 */
async function install() {
  const cache = await caches.open(NAME);
  const had = new Set();
  for (const name of await oldCaches()) for (const { url } of await (await caches.open(name)).keys()) had.add(url);
  const wanted = Object.keys(SITE.files).filter((file) => SITE.first.includes(file) || (had.size > 0 && (!file.startsWith(RUNTIME) || had.has(addressOf(file)))));
  await cache.addAll(wanted.map(fresh));
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const file = request.url.split(/[?#]/)[0];
  if (request.method === "GET" && ALL.has(file)) event.respondWith(answer(event, file));
});

self.addEventListener("message", (event) => {
  if (event.data === "fill") event.waitUntil(fill().then(() => event.source.postMessage("filled")));
});

const ALL = new Set([...Object.keys(SITE.files), "./"].map(addressOf));

async function answer(event, file) {
  const cache = await caches.open(NAME);
  const kept = file === addressOf("./") ? addressOf("index.html") : file;
  let found = await cache.match(kept);
  if (!found) {
    found = await fetch(kept, { cache: "no-cache" });
    if (found.ok) event.waitUntil(cache.put(kept, found.clone()).catch(() => {})); // the disk may be full: it works all the same
  }
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}

/** Fetches what is not here yet; of the runtime's builds the page has fetched the one that this browser needs. */
async function fill() {
  const cache = await caches.open(NAME);
  const wanted = Object.keys(SITE.files).filter((file) => !file.startsWith(RUNTIME));
  for (const file of wanted) if (!(await cache.match(addressOf(file)))) await cache.add(fresh(file));
}

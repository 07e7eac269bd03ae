/** Keeps the files of the site in the browser, and gives them headers: browsers allow threads then, and no other server is asked. */

importScripts("files.js"); // SITE: the version, the files, and what scripts may ask for

const OURS = `stylemap ${self.registration.scope} `;
const NAME = OURS + SITE.version;
const HEADERS = {
  "content-security-policy": SITE.policy, // of the worker too, which a tag in the page does not bind
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

const addressOf = (file) => new URL(file, self.registration.scope).href;
const fresh = (file) => new Request(addressOf(file), { cache: "no-cache" });

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(SITE.page.map(fresh))));
});

self.addEventListener("activate", (event) => {
  const old = async () => (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== NAME);
  event.waitUntil(old().then((names) => Promise.all(names.map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const file = request.url.split(/[?#]/)[0];
  if (request.method === "GET" && ALL.has(file)) event.respondWith(answer(request, file));
});

self.addEventListener("message", (event) => {
  if (event.data === "fill") event.waitUntil(fill().then(() => event.source.postMessage("filled")));
});

const ALL = new Set([...SITE.page, ...SITE.rest, "./"].map(addressOf));

async function answer(request, file) {
  const cache = await caches.open(NAME);
  const kept = file === addressOf("./") ? addressOf("index.html") : file;
  let found = await cache.match(kept);
  if (!found) {
    found = await fetch(kept, { cache: "no-cache" });
    if (found.ok) await cache.put(kept, found.clone());
  }
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}

/** Fetches what is not here yet; of the runtime's builds the page has fetched the one that this browser needs. */
async function fill() {
  const cache = await caches.open(NAME);
  const wanted = SITE.rest.filter((file) => !file.startsWith("local/runtime/"));
  for (const file of wanted) if (!(await cache.match(addressOf(file)))) await cache.add(fresh(file));
}

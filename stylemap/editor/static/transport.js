/** The way to what answers the page: here the server that it came from. A site that `stylemap export web` writes has its own. */

/** What the person is told when no answer comes. */
export const SILENCE = "The server does not answer. Your work is kept in this page; it goes on when the server is back.";

/** As fetch. */
export const ask = (path, options) => fetch(path, options);

/** Tells of the page's end, where nobody waits for an answer. */
export const leave = (path) => navigator.sendBeacon(path);

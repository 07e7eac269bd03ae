/** Requests to the server the page came from. */

import { SILENCE, ask } from "./transport.js";

/** The server said no; the message is a line for the user. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whether the same may well be answered in a moment. */
  get isPassing() {
    return [408, 429, 503].includes(this.status);
  }
}

/** The server did not answer at all. */
export class Silence extends Error {}

/** The person did not want to wait. */
export class Cancelled extends Error {}

/** @param {AbortSignal} [signal] of the person */
export async function request(method, path, body, type, signal) {
  const headers = type ? { "Content-Type": type } : {};
  let response;
  try {
    response = await ask(path, { method, body, headers, signal });
  } catch {
    if (signal?.aborted) throw new Cancelled("Cancelled. Nothing has changed.");
    throw new Silence(SILENCE);
  }
  if (!response.ok) throw new Refusal(await reason(response), response.status);
  return response;
}

/** The lines of JSON of an answer, as they come. */
export async function* linesOf(response, signal) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      yield* lines.map((line) => JSON.parse(line));
    }
  } catch (error) {
    if (signal?.aborted) throw new Cancelled("Cancelled. Nothing has changed.");
    throw new Silence(`The server ended its answer: ${error.message}.`);
  }
}

async function reason(response) {
  const { error } = await response.json().catch(() => ({}));
  if (!error) return `The server answered ${response.status} ${response.statusText}.`;
  return error.charAt(0).toUpperCase() + error.slice(1);
}

/** Requests to the server the page came from. */

/** The server said no; the message is a line for the user. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The server did not answer at all. */
export class Silence extends Error {}

export async function request(method, path, body, type) {
  const headers = type ? { "Content-Type": type } : {};
  let response;
  try {
    response = await fetch(path, { method, body, headers });
  } catch {
    throw new Silence("The server does not answer. Your work is kept in this page; it goes on when the server is back.");
  }
  if (!response.ok) throw new Refusal(await reason(response), response.status);
  return response;
}

export const sendJson = (method, path, value) => request(method, path, JSON.stringify(value), "application/json");

async function reason(response) {
  const answer = await response.json().catch(() => ({}));
  return answer.error ?? `The server answered ${response.status} ${response.statusText}.`;
}

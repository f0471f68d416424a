// Calls to the server, in the name of whoever is logged in. The proof of that is a cookie, which no script sees.

const TIMEOUT_MS = 20000;
const UNSAFE = ["POST", "PATCH", "DELETE"];

/** A call that did not do what it should. */
export class Failure extends Error {
  constructor(status, code, retryAt = null) {
    super(code);
    this.status = status;
    this.code = code;
    this.retryAt = retryAt;
  }
}

let csrf = null;
let email = null;
let ended = () => {};

/** Return the address of whoever is logged in; null: nobody is. */
export const who = () => email;

/** Say what is to be done when the session is over that a call needs. */
export function onEnd(what) {
  ended = what;
}

/** Find out whether somebody is logged in. */
export async function restore() {
  try {
    opened(await request("GET", "claim/session"));
  } catch (failure) {
    if (failure.status !== 401 && failure.status !== 403) throw failure;
    opened(null);
  }
}

export const logIn = async (address, password) =>
  opened(await request("POST", "claim/session", { email: address, password }));

export const activate = async (token, password) =>
  opened(await request("POST", "claim/activation", { token, password }));

export const signUp = async (fields) => opened(await request("POST", "claim/sign-up", fields));

export async function logOut() {
  try {
    await request("DELETE", "claim/session");
  } catch (failure) {
    if (failure.status !== 401) throw failure; // over already
  }
  opened(null);
}

/** Ask for something that needs a login. */
export async function call(method, path, body) {
  try {
    return await request(method, `api/firstboot/${path}`, body);
  } catch (failure) {
    if (failure.status === 401) {
      opened(null);
      ended();
    } else if (failure.code === "cross-site") {
      await restore(); // somebody has logged in anew, in another window
      ended();
    }
    throw failure;
  }
}

function opened(session) {
  csrf = session?.csrf ?? null;
  email = csrf === null ? null : session.email;
  return session;
}

async function request(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf !== null && UNSAFE.includes(method)) headers["X-CSRF-Token"] = csrf;
  const options = {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  let response;
  let answer = null;
  try {
    response = await fetch(path, options);
    const content = await response.text();
    if (content && (response.headers.get("Content-Type") ?? "").includes("json")) answer = JSON.parse(content);
  } catch {
    throw new Failure(0, "offline");
  }
  if (!response.ok) throw new Failure(response.status, answer?.code ?? "", retryAt(response));
  return answer;
}

function retryAt(response) {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return Number.isFinite(seconds) && seconds > 1 ? Date.now() + seconds * 1000 : null;
}

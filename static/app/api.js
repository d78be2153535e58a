// The server's routes, relative to where the page is served, so that it works under any path prefix.

import { SseParser } from "./sse.js";

const HERE = globalThis.location?.href ?? "http://localhost/";
const named = globalThis.document?.querySelector("meta[name=baton-api]")?.content;
const BASE = new URL(named ? `${named.replace(/\/$/, "")}/` : ".", HERE);

/** Whether the page comes from elsewhere (`<meta name="baton-api" content="https://chat.example">` names the server). */
export const isElsewhere = BASE.origin !== new URL(HERE).origin;

/** The server says every 10 s that it is there; a stream that is silent for longer than this was cut. */
const SILENCE_MS = 30_000;
/** A message may wait for the turns before it. Sent again after this it is the same message, and goes on waiting. */
const PATIENCE_MS = 180_000;
const ANSWER_MS = 20_000;
const PAUSE_MS = 400;
const PAUSE_MAX_MS = 10_000;
const OFFLINE_MS = 600_000;

/** The server answered, and its answer is no. `status` says what to do next. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail || `HTTP ${status}`);
    this.name = "Refused";
    this.status = status;
    this.detail = detail;
  }
  /** Not worth another try: it would get the same answer. */
  get isFinal() { return this.status < 500; }
}

let token = null;
let renew = null;
/** Sends this token with every request from now on. `again()`: whether a request that was refused with 401 is worth another try. */
export const authorise = (bearer, again = null) => { token = bearer || null; renew = again; };

export const path = (...parts) => parts.map(encodeURIComponent).join("/");

async function request(method, route, options) {
  const { body, headers = {}, signal, isLast = route === "session" } = options;
  const used = token;
  const response = await fetch(new URL(route, BASE), {
    method, signal, cache: "no-store", redirect: "error",
    headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...(token ? { Authorization: `Bearer ${token}` } : {}), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response;
  if (response.status === 401 && renew && !isLast && (used !== token || (await renew()))) return request(method, route, { ...options, isLast: true });
  const text = await response.text().catch(() => "");
  let detail = null;
  try { detail = JSON.parse(text).detail; } catch { /* not ours: a proxy's page */ }
  throw new Refused(response.status, typeof detail === "string" ? detail : null);
}

export async function send(method, route, body, accept = "application/json") {
  const response = await request(method, route, { body, headers: { Accept: accept }, signal: AbortSignal.timeout(ANSWER_MS) });
  return response.headers.get("Content-Type")?.startsWith("application/json") ? response.json() : response.text();
}

export const get = (route, accept) => send("GET", route, undefined, accept);

/**
 * Events of a stream, `{type, position, …}`, until it ends or is cut. The first thing yielded is `{type: "opened",
 * status, turn, conversation}`. Throws `Refused`, or the network's error.
 */
export async function* stream(method, route, { body, after, signal }) {
  const cut = new AbortController();
  const stop = () => cut.abort();
  let watch = setTimeout(stop, body === undefined ? SILENCE_MS : PATIENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(after ? { "Last-Event-ID": after } : {}) };
    const response = await request(method, route, { body, headers, signal: AbortSignal.any([signal, cut.signal]) });
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream") ?? false;
    const turn = Number(response.headers.get("X-Turn")) || null;
    yield { type: "opened", status: response.status, turn, conversation: response.headers.get("X-Conversation-Id") };
    if (!isStream) return;
    const parser = new SseParser();
    const reader = response.body.getReader();
    for (;;) {
      clearTimeout(watch);
      watch = setTimeout(stop, SILENCE_MS);
      const { done, value } = await reader.read();
      if (done) return;
      for (const event of parser.push(value)) yield* decode(event);
    }
  } finally {
    clearTimeout(watch);
    stop(); // whoever stops listening closes the connection
  }
}

function* decode({ id, type, data }) {
  try {
    const told = JSON.parse(data);
    if (told && typeof told === "object") yield { ...told, type, position: id };
  } catch { /* an event that is not JSON is not one of ours */ }
}

/** Before another try. Full jitter, so that a thousand pages do not come back in one instant; at once when the network is back. */
export function pause(tries, signal) {
  const longest = Math.min(PAUSE_MS * 2 ** tries, PAUSE_MAX_MS);
  return new Promise((resolve) => {
    const done = new AbortController();
    const over = () => { clearTimeout(timer); done.abort(); resolve(); };
    const timer = setTimeout(over, navigator.onLine ? PAUSE_MS / 2 + Math.random() * longest : OFFLINE_MS);
    addEventListener("online", over, done);
    signal.addEventListener("abort", over, done);
  });
}

// The hub's HTTP API (docs/api.md): one call in, `{data, meta}` or an ApiError out.

const kCallTimeoutMs = 30_000; // the hub answers long work with 202, so nothing takes longer than this

/** What the hub refused, or that it could not be reached (`HUB_UNREACHABLE`, status 0). */
export class ApiError extends Error {
  constructor({ code, message, status = 0, details = null, requestId = null }) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
    this.details = details;
    this.requestId = requestId;
  }
  /** Nobody knows whether the hub has done it: the same call may be repeated under the same Idempotency-Key. */
  get outcomeUnknown() {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

export class Api {
  #session;
  #clockOffsetMs = 0;

  constructor(session) {
    this.#session = session;
  }

  /** The hub's time now, in ms: durations of what still runs must not depend on this machine's clock. */
  now() {
    return Date.now() + this.#clockOffsetMs;
  }

  get(path, { query, signal } = {}) {
    return this.#call("GET", path, { query, signal });
  }
  post(path, body, { idempotencyKey = newIdempotencyKey() } = {}) {
    return this.#call("POST", path, { body, idempotencyKey });
  }
  put(path, body) {
    return this.#call("PUT", path, { body });
  }
  patch(path, body) {
    return this.#call("PATCH", path, { body });
  }
  delete(path, { idempotencyKey = newIdempotencyKey() } = {}) {
    return this.#call("DELETE", path, { idempotencyKey });
  }

  /** What is no JSON, whole: a Blob. It may take as long as it takes. */
  async file(path, { query } = {}) {
    const response = await this.#fetch("GET", path + queryText(query), {});
    if (!response.ok) throw await this.#failure(response);
    return response.blob();
  }

  /** An open stream of server-sent events; throws ApiError when the hub refuses. */
  async stream(path, { lastEventId, signal }) {
    const headers = { Accept: "text/event-stream" };
    if (lastEventId) headers["Last-Event-ID"] = lastEventId;
    const response = await this.#fetch("GET", path, headers, undefined, signal);
    if (!response.ok) throw await this.#failure(response);
    return response;
  }

  async #call(method, path, { query, body, idempotencyKey, signal }) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    const limit = AbortSignal.timeout(kCallTimeoutMs);
    const stop = signal ? AbortSignal.any([signal, limit]) : limit;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await this.#fetch(method, path + queryText(query), headers, text, stop);
    if (!response.ok) throw await this.#failure(response);
    const answer = await this.#json(response);
    if (!answer)
      throw new ApiError({ code: "BAD_ANSWER", message: "The hub's answer is not JSON.", status: response.status });
    this.#setClock(answer.meta?.timestamp);
    return answer;
  }

  async #fetch(method, path, headers, body, signal) {
    const key = this.#session.key;
    if (key) headers.Authorization = `Bearer ${key}`;
    try {
      return await fetch(path, { method, headers, body, signal, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError({ code: "HUB_UNREACHABLE", message: "The hub does not answer. Is it running?" });
    }
  }

  async #failure(response) {
    const answer = await this.#json(response);
    const error = new ApiError({
      code: answer?.error?.code ?? `HTTP_${response.status}`,
      message: answer?.error?.message ?? `The hub answered with status ${response.status}.`,
      status: response.status,
      details: answer?.error?.details ?? null,
      requestId: answer?.meta?.requestId ?? response.headers.get("X-Request-Id"),
    });
    if (response.status === 401) this.#session.refused(error);
    return error;
  }

  async #json(response) {
    try {
      return await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return null;
    }
  }

  #setClock(timestamp) {
    const hubTime = Date.parse(timestamp);
    if (Number.isFinite(hubTime)) this.#clockOffsetMs = hubTime - Date.now();
  }
}

// Not crypto.randomUUID: that exists only on https and localhost.
export function newIdempotencyKey() {
  return (
    "web-" +
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
  );
}

function queryText(query) {
  const text = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
  return text ? `?${text}` : "";
}

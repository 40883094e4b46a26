/** The API as the console uses it: one function a route, errors in the server's words. */

const TIMEOUT_MS = 10_000;

/** What the server, or the network, said no with. `status` 0: it did not answer. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {object} [problem] RFC 9457 */
  constructor(status, message, problem = {}) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

export class Api {
  #stream;
  #token;
  #fetch;

  /**
   * @param {string} stream
   * @param {string} token
   * @param {typeof fetch} [fetcher] for tests
   */
  constructor(stream, token, fetcher = (...all) => fetch(...all)) {
    this.#stream = stream;
    this.#token = token;
    this.#fetch = fetcher;
  }

  info = () => this.#ask("GET", "");
  edge = () => this.#ask("GET", "/edge");
  stats = () => this.#ask("GET", "/stats");
  held = () => this.#ask("GET", "/held");
  bans = () => this.#ask("GET", "/bans?limit=500");
  audit = () => this.#ask("GET", "/audit?limit=100");
  settings = () => this.#ask("GET", "/settings");
  /** @param {string[]} words */
  tryWords = (words) => this.#ask("POST", "/words/try", { words });
  /** @param {object} changed */
  save = (changed) => this.#ask("PUT", "/settings", changed);
  /** @param {string} id of a comment, shown or held */
  remove = (id) => this.#ask("DELETE", `/comments/${encodeURIComponent(id)}`);
  approve = (id) => this.#ask("POST", "/approve", { comment_id: id });
  pin = (id, seq) => this.#ask("POST", "/pin", { comment_id: id, seq });
  withdraw = (id, seq) => this.#ask("POST", "/hold", { comment_id: id, seq });
  unpin = () => this.#ask("POST", "/unpin", {});
  clear = (user) => this.#ask("POST", "/clear", { user });
  slow = (seconds) => this.#ask("POST", "/slow", { seconds });
  end = () => this.#ask("POST", "/end", {});
  /**
   * @param {string} user
   * @param {{kind: string, seconds?: number, reason?: string}} ban
   */
  ban = (user, ban) => this.#ask("PUT", `/bans/${encodeURIComponent(user)}`, ban);
  unban = (user) => this.#ask("DELETE", `/bans/${encodeURIComponent(user)}`);

  async #ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    // One key for one request: should the answer be lost, asking again does it once.
    if (method !== "GET") headers["Idempotency-Key"] = crypto.randomUUID();
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await this.#fetch(`/v1/streams/${encodeURIComponent(this.#stream)}${path}`, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw new ApiError(0, "The server does not answer.");
    }
    const value = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new ApiError(answer.status, value.detail ?? value.title ?? `Status ${answer.status}`, value);
    return value;
  }
}

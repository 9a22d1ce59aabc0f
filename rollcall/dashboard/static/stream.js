// The way to the server: one event stream, made anew when it breaks, closed while nobody looks.

const SILENT_AFTER_S = 20;
const HIDDEN_FOR_MS = 30_000;
const RETRY_AT_LEAST_MS = 1000;
const RETRY_AT_MOST_MS = 30_000;

export class Stream {
  /** `take(name, frame)` gets each frame; `node` is one whose every value is wanted, or null. */
  constructor(take) {
    this.take = take;
    this.node = null;
    this.source = null;
    this.heard = performance.now();
    this.retryMs = RETRY_AT_LEAST_MS;
    this.hiding = null;
    this.idle = true;
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** Whether nothing has come for so long that what is shown may be old. */
  get silent() {
    return performance.now() - this.heard > SILENT_AFTER_S * 1000;
  }

  /** Begin, or begin again for another node. */
  open(node) {
    this.leave();
    this.idle = false;
    this.node = node;
    const query = node === null ? "" : `?node=${encodeURIComponent(node)}`;
    this.source = new EventSource(`/api/stream${query}`);
    for (const name of ["snapshot", "delta"]) {
      this.source.addEventListener(name, (event) => {
        this.heard = performance.now();
        this.retryMs = RETRY_AT_LEAST_MS;
        this.take(name, JSON.parse(event.data));
      });
    }
    this.source.addEventListener("error", () => this.broken());
  }

  /** Close, and stay closed until `open`. */
  close() {
    this.idle = true;
    this.leave();
  }

  leave() {
    this.source?.close();
    this.source = null;
  }

  // The browser comes back by itself after a lost connection, but for ever gives up after an answer
  // that is no stream, and does not say which answer it was.
  broken() {
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.leave();
    const waitMs = this.retryMs * (0.5 + Math.random());
    this.retryMs = Math.min(2 * this.retryMs, RETRY_AT_MOST_MS);
    setTimeout(() => this.comeBack(), waitMs);
  }

  async comeBack() {
    if (this.idle || this.source !== null || document.hidden) return;
    const answer = await fetch("/api/session").catch(() => null);
    if (answer?.status === 401) window.location.assign("/login");
    else if (this.source === null) this.open(this.node);
  }

  look() {
    clearTimeout(this.hiding);
    if (this.idle) return;
    if (document.hidden) this.hiding = setTimeout(() => this.leave(), HIDDEN_FOR_MS);
    else if (this.source === null) this.open(this.node);
  }
}

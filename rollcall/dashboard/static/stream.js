// The way to the server: one event stream for each browser, however many pages of it look.
//
// The page that holds a lock has the stream, and hands each frame to the others. It gives the lock
// back when nobody has looked at it for a while; then the next page that is looked at takes over.

const SILENT_AFTER_S = 20;
const HIDDEN_FOR_MS = 30_000;
const RETRY_AT_LEAST_MS = 1000;
const RETRY_AT_MOST_MS = 30_000;
const NAME = "rollcall-stream";

export class Stream {
  /** `take(name, frame)` gets each frame; `whole()` gives all that was taken, as a snapshot. */
  constructor(take, whole) {
    this.take = take;
    this.whole = whole;
    this.source = null;
    this.release = null;
    this.waiting = null;
    this.wanted = false;
    this.heard = performance.now();
    this.retryMs = RETRY_AT_LEAST_MS;
    this.hiding = null;
    this.others = new BroadcastChannel(NAME);
    this.others.addEventListener("message", (event) => this.hear(event.data));
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** Whether nothing has come for so long that what is shown may be old. */
  get silent() {
    return performance.now() - this.heard > SILENT_AFTER_S * 1000;
  }

  /** Take frames from now on, and ask for all that there is. */
  open() {
    this.wanted = true;
    this.heard = performance.now();
    this.others.postMessage({ wanted: "snapshot" });
    this.queue();
  }

  /** Take no more frames, until `open`. */
  close() {
    this.wanted = false;
    this.leave();
  }

  // Leading

  // Without locks (they need TLS or this very machine) each page has a stream of its own.
  queue() {
    if (this.release !== null || this.waiting !== null) return;
    if (navigator.locks === undefined) {
      this.release = () => {};
      this.connect();
      return;
    }
    this.waiting = new AbortController();
    const lead = () => {
      this.waiting = null;
      return new Promise((release) => {
        this.release = release;
        this.connect();
      });
    };
    navigator.locks.request(NAME, { signal: this.waiting.signal }, lead).catch(() => {});
  }

  leave() {
    this.waiting?.abort();
    this.waiting = null;
    this.source?.close();
    this.source = null;
    this.release?.();
    this.release = null;
  }

  connect() {
    this.source = new EventSource("/api/stream");
    for (const name of ["snapshot", "delta"]) {
      this.source.addEventListener(name, (event) => {
        this.retryMs = RETRY_AT_LEAST_MS;
        const frame = JSON.parse(event.data);
        this.others.postMessage({ name, frame });
        this.hear({ name, frame });
      });
    }
    this.source.addEventListener("error", () => this.broken());
  }

  // The browser comes back by itself after a lost connection, but for ever gives up after an answer
  // that is no stream, and does not say which answer it was.
  broken() {
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.source = null;
    const waitMs = this.retryMs * (0.5 + Math.random());
    this.retryMs = Math.min(2 * this.retryMs, RETRY_AT_MOST_MS);
    setTimeout(() => this.comeBack(), waitMs);
  }

  async comeBack() {
    if (this.source !== null || this.release === null) return;
    const answer = await fetch("/api/session").catch(() => null);
    if (answer?.status === 401) window.location.assign("/login");
    else if (this.source === null && this.release !== null) this.connect();
  }

  // Following

  hear({ name, frame, wanted }) {
    if (wanted === "snapshot") {
      const whole = this.source === null ? null : this.whole();
      if (whole !== null) this.others.postMessage({ name: "snapshot", frame: whole });
    } else if (this.wanted) {
      this.heard = performance.now();
      this.take(name, frame);
    }
  }

  look() {
    clearTimeout(this.hiding);
    if (!this.wanted) return;
    if (document.hidden) this.hiding = setTimeout(() => this.leave(), HIDDEN_FOR_MS);
    else if (this.release === null) this.open();
  }
}

// Where one is: the address is the view, so every view can be kept and sent to others.

export const WINDOWS = [
  ["1h", "1 hour", 3600],
  ["6h", "6 hours", 21_600],
  ["1d", "1 day", 86_400],
  ["7d", "7 days", 604_800],
  ["30d", "30 days", 2_592_000],
];
const USUAL = "6h";

/** The window of time in the address: {since, until, key}; `key` is null for a fixed window. */
export function windowOf(search, now) {
  const query = new URLSearchParams(search);
  const since = Number(query.get("since"));
  const until = Number(query.get("until"));
  if (since > 0 && until > since) return { since, until, key: null };
  const [key, , length] = WINDOWS.find(([name]) => name === query.get("window")) ?? WINDOWS.find(([name]) => name === USUAL);
  return { since: now - length, until: now, key };
}

/** Put something into the address; null takes it out. */
export function remember(values, { replace = false } = {}) {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href === window.location.href) return;
  if (replace) window.history.replaceState(null, "", url);
  else window.history.pushState(null, "", url);
}

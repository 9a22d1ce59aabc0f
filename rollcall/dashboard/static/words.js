// Numbers and states in words: one place for units, shapes and ages.

/** What a node is at this moment: a key for its colour, a shape, and the word beside it. */
export function condition(node) {
  const worst = worstAlert(node);
  if (node.held_back) return { key: "unsure", shape: "?", word: "checking" };
  if (node.state === "offline") {
    return { key: "offline", shape: "✗", word: node.reason === "lost" ? "offline" : node.reason };
  }
  if (node.state === "stale") return { key: "stale", shape: "~", word: "stale" };
  if (node.state === "unknown") return { key: "unsure", shape: "?", word: "unknown" };
  if (worst?.severity === "critical") return { key: "critical", shape: "▲", word: "critical" };
  if (worst?.severity === "warning") return { key: "warning", shape: "●", word: "warning" };
  return { key: "ok", shape: "✓", word: "ok" };
}

export const SEVERITIES = ["critical", "warning", "info"];

/** The firing alert of the highest severity, or undefined. */
export function worstAlert(node) {
  const firing = node.alerts.filter((alert) => alert.state === "firing");
  return firing.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))[0];
}

/** Whether a value is recent enough to be shown as the present: {value, at, interval}. */
export function isFresh(node, value, now) {
  if (!value || value.at === undefined || node.state !== "online") return false;
  return now - value.at <= Math.max(45, 3 * value.interval);
}

/** A span of time: "4 s", "26 m", "3 h 12 m", "81 d". */
export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "?";
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  if (s < 864000) return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

/** A time of day, with the date when it is not today. */
export function clock(seconds) {
  const then = new Date(seconds * 1000);
  const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  if (then.toDateString() === new Date().toDateString()) return time;
  return `${then.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

const WHY_MISSING = {
  open: "missing, and may still come",
  size: "lost: the node had no more room for them",
  age: "lost: they grew too old before they could be sent",
  power_cut: "numbers passed over after a power cut",
  forgotten: "lost: the node held them in memory alone",
};

/** Why numbered reports are not in the database. */
export function whyMissing(state) {
  return WHY_MISSING[state] ?? `lost (${state})`;
}

/** A time as a field for date and time wants it. */
export function local(seconds) {
  const then = new Date(seconds * 1000);
  return new Date(then.getTime() - then.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function bytes(value) {
  let index = 0;
  let size = Math.abs(value);
  while (size >= 1024 && index < BINARY.length - 1) {
    size /= 1024;
    index += 1;
  }
  const digits = index === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${value < 0 ? "-" : ""}${size.toFixed(digits)} ${BINARY[index]}`;
}

function plain(value) {
  if (Number.isInteger(value)) return value.toLocaleString("en").replaceAll(",", " ");
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function shortSpan(seconds) {
  if (seconds >= 60) return span(seconds);
  if (seconds >= 1 || seconds === 0) return `${plain(seconds)} s`;
  return seconds >= 0.001 ? `${plain(seconds * 1000)} ms` : `${plain(seconds * 1e6)} µs`;
}

const SECONDS_PER_YEAR = 31_536_000;

/** A number with its unit, by the name of its field: the unit is the end of the name. */
export function figure(field, value) {
  if (value === null || value === undefined) return "–";
  if (field.endsWith("_bytes_per_second")) return `${bytes(value)}/s`;
  if (field.endsWith("bytes")) return bytes(value);
  if (field.endsWith("percent")) return `${value.toFixed(value >= 10 ? 0 : 1)} %`;
  if (field.endsWith("celsius")) return `${value.toFixed(0)} °C`;
  if (field.endsWith("hertz")) return value >= 1e9 ? `${(value / 1e9).toFixed(2)} GHz` : `${(value / 1e6).toFixed(0)} MHz`;
  if (field.endsWith("time_seconds") && value > SECONDS_PER_YEAR) return clock(value);
  if (field.endsWith("_per_second")) return `${plain(value)} /s`;
  if (field.endsWith("seconds")) return shortSpan(value);
  if (field.endsWith("per_minute")) return `${plain(value)} /min`;
  if (field.endsWith("volts")) return `${value.toFixed(2)} V`;
  return plain(value);
}

const UNIT = /_(bytes_per_second|per_second|bytes|percent|celsius|hertz|seconds|volts|per_minute)$/;

/** Fields' names for people: "used_percent" is "used", unless "used_bytes" stands beside it. */
export function labels(fields) {
  const short = (field) => field.replace(UNIT, "");
  const alike = (field) => fields.filter((other) => short(other) === short(field)).length > 1;
  return new Map(fields.map((field) => [field, (alike(field) ? field : short(field)).replaceAll("_", " ")]));
}

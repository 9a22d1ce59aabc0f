// What happened, as lines in order of time.

import { h } from "./dom.js";
import { clock, span } from "./words.js";

const SHAPES = { critical: "▲", warning: "●", info: "i", offline: "✗", stale: "~", gap: "?", event: "·" };
const AROUND_S = 1800;

/** Make list items of a story; `end` is the end of its window, in Unix seconds. */
export function lines(story, end) {
  return story.map((entry) => line(entry, end));
}

function line(entry, end) {
  const lasted = entry.until === null ? `goes on, ${span(end - entry.since)} so far` : span(entry.until - entry.since);
  const window = `since=${(entry.since - AROUND_S).toFixed(0)}&until=${((entry.until ?? end) + AROUND_S).toFixed(0)}`;
  return h(
    "li",
    { "data-condition": entry.kind },
    h("time", { datetime: new Date(entry.since * 1000).toISOString() }, clock(entry.since)),
    h("span", { class: "shape", "aria-hidden": "true" }, SHAPES[entry.kind] ?? "·"),
    entry.node === "" ? "all nodes" : h("a", { href: `/node/${encodeURIComponent(entry.node)}?${window}`, "data-inside": true }, entry.node),
    `${entry.kind === "gap" ? "" : ` ${entry.kind}`}: ${entry.words}${entry.kind === "event" ? "" : ` (${lasted})`}`,
  );
}

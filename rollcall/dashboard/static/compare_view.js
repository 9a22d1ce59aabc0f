// One metric over all nodes, on one scale: a strip of colour for each node, the highest first.

import { h, say } from "./dom.js";
import { windowOf } from "./place.js";
import { WindowPicker } from "./window_picker.js";
import { clock, figure, span } from "./words.js";

const STRIP_HEIGHT = 22;
const POINTS = 240;
const USUAL = "cpu.percent";
// With fewer series each can be seen by itself.
const LEAST_FOR_SHARES = 5;
const SHARES = [
  [0.5, "median"],
  [0.95, "95th percentile"],
];

export class CompareView {
  constructor(state) {
    this.state = state;
    this.answer = null;
    this.metric = h("select", { "aria-label": "Metric", onchange: () => this.picker.choose({ metric: this.metric.value }) });
    this.picker = new WindowPicker(() => this.load());
    this.told = h("p", { class: "told" });
    this.readout = h("p", { class: "readout", role: "status" });
    this.low = h("i", { class: "probe cold" });
    this.high = h("i", { class: "probe hot" });
    this.body = h("tbody", {});
    this.element = h(
      "section",
      {},
      h("h2", { tabindex: -1 }, "Compare"),
      h("div", { class: "tools" }, this.metric, this.picker.element),
      this.told,
      this.readout,
      this.low,
      this.high,
      h(
        "table",
        { class: "strips" },
        h("thead", {}, h("tr", {}, ["Node", "Highest", "Mean", "Over the window"].map((label) => h("th", { scope: "col" }, label)))),
        this.body,
      ),
    );
    this.load();
  }

  get wanted() {
    return new URLSearchParams(window.location.search).get("metric") ?? USUAL;
  }

  update() {}

  tick() {}

  remove() {}

  async load() {
    const place = windowOf(window.location.search, this.state.now);
    this.picker.show(place);
    const query = new URLSearchParams({ metric: this.wanted, since: place.since.toFixed(3), until: place.until.toFixed(3), points: POINTS });
    const answer = await fetch(`/api/compare?${query}`).catch(() => null);
    const found = answer === null ? { error: "The dashboard does not answer." } : await answer.json();
    if (found.error) return say(this.told, found.error);
    this.answer = found;
    this.metric.replaceChildren(...found.metrics.map((name) => h("option", { value: name, selected: name === found.metric }, name)));
    this.show();
  }

  show() {
    const { metric, since, until, bucket, rows } = this.answer;
    const field = metric.split(".")[1];
    const highest = Math.max(...rows.map((row) => row.highest), field.endsWith("percent") ? 100 : 0);
    const each = rows.length === 0 ? "Nothing was recorded in this window." : `Each step is the mean of ${span(bucket)}; colours from 0 to ${figure(field, highest)}.`;
    say(this.told, `${clock(since)} to ${clock(until)}. ${each}`);
    const sorted = [...rows].sort((a, b) => b.highest - a.highest || (a.node < b.node ? -1 : 1));
    const shares = rows.length < LEAST_FOR_SHARES ? [] : SHARES.map(([share, name]) => shareOf(rows, share, name));
    this.strips = [...shares, ...sorted].map((row) => ({ row, canvas: h("canvas", { role: "img", "aria-label": stripWords(row, field) }) }));
    this.body.replaceChildren(
      ...this.strips.map(({ row, canvas }) => {
        canvas.addEventListener("pointermove", (event) => this.read(event, row, field));
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, row.share ? `${row.node} of ${rows.length}` : nodeLink(row)),
          h("td", {}, figure(field, row.highest)),
          h("td", {}, figure(field, row.mean)),
          h("td", { class: "strip" }, canvas),
        );
      }),
    );
    this.scale = highest;
    this.repaint();
  }

  repaint() {
    if (this.answer === null) return;
    const cold = getComputedStyle(this.low).color;
    const hot = getComputedStyle(this.high).color;
    for (const { row, canvas } of this.strips) paint(canvas, row.avg, this.scale, cold, hot);
  }

  read(event, row, field) {
    const box = event.currentTarget.getBoundingClientRect();
    const index = Math.min(row.avg.length - 1, Math.floor(((event.clientX - box.left) / box.width) * row.avg.length));
    const value = row.avg[index];
    say(this.readout, `${row.node}, ${clock(this.answer.times[index])}: ${value === null ? "nothing recorded" : figure(field, value)}`);
  }
}

function nodeLink({ node, instance }) {
  return h("a", { href: `/node/${encodeURIComponent(node)}`, "data-inside": true }, instance ? `${node} ${instance}` : node);
}

// The value at each step that so large a share of the series does not exceed (nearest rank).
function shareOf(rows, share, name) {
  const avg = rows[0].avg.map((_, index) => {
    const known = rows.map((row) => row.avg[index]).filter((value) => value !== null).sort((a, b) => a - b);
    return known.length === 0 ? null : known[Math.ceil(share * known.length) - 1];
  });
  const known = avg.filter((value) => value !== null);
  const sum = known.reduce((before, value) => before + value, 0);
  return { node: name, instance: "", share, avg, mean: known.length > 0 ? sum / known.length : null, highest: known.length > 0 ? Math.max(...known) : null };
}

function stripWords(row, field) {
  return `${row.node}: mean ${figure(field, row.mean)}, highest ${figure(field, row.highest)}`;
}

// Where nothing was recorded the strip stays empty.
function paint(canvas, values, highest, cold, hot) {
  canvas.width = values.length;
  canvas.height = STRIP_HEIGHT;
  const context = canvas.getContext("2d");
  values.forEach((value, index) => {
    if (value === null) return;
    context.globalAlpha = 1;
    context.fillStyle = cold;
    context.fillRect(index, 0, 1, STRIP_HEIGHT);
    context.globalAlpha = highest > 0 ? Math.min(1, Math.max(0, value / highest)) : 0;
    context.fillStyle = hot;
    context.fillRect(index, 0, 1, STRIP_HEIGHT);
  });
}

// The charts of one node, over one window of time that all of them share.

import { Chart } from "./chart.js";
import { h, say } from "./dom.js";
import { windowOf } from "./place.js";
import { lines } from "./story.js";
import { WindowPicker } from "./window_picker.js";
import { clock, whyMissing } from "./words.js";

const USUAL = ["cpu.percent", "memory.used_percent", "temperature.cpu_celsius", "load.load1"];
const USUAL_BY_INSTANCE = ["disk.used_percent", "network.receive_bytes_per_second", "network.transmit_bytes_per_second"];
const MOST_INSTANCES = 4;
const REFRESH_AT_LEAST_MS = 10_000;
const REFRESHES_A_WINDOW = 400;

export class HistoryPanel {
  constructor(state, node) {
    this.state = state;
    this.node = node;
    this.charts = new Map();
    this.refreshed = -Infinity;
    this.picker = new WindowPicker(() => this.load());
    this.told = h("p", { class: "told" });
    this.grid = h("div", { class: "charts" });
    this.story = h("ol", { class: "story" });
    this.gaps = h("p", { class: "told" });
    this.element = h(
      "section",
      { "aria-label": "History" },
      this.picker.element,
      this.told,
      this.grid,
      h("h3", {}, "What happened"),
      this.story,
      this.gaps,
    );
  }

  /** Which series have a chart: those asked for in the address, then the usual ones that exist. */
  wanted(collectors) {
    const has = (metric) => {
      const [collector, field] = metric.split(".");
      return collectors[collector]?.fields[field] !== undefined;
    };
    const asked = new URLSearchParams(window.location.search).getAll("chart").map((text) => {
      const [metric, ...instance] = text.split(" ");
      return { metric, instance: instance.join(" ") };
    });
    const single = USUAL.filter(has).map((metric) => ({ metric, instance: "" }));
    const several = USUAL_BY_INSTANCE.flatMap((metric) => {
      const [collector, field] = metric.split(".");
      const instances = Object.entries(collectors[collector]?.instances ?? {});
      const found = instances.filter(([, values]) => values[field] !== undefined);
      return found.slice(0, MOST_INSTANCES).map(([instance]) => ({ metric, instance }));
    });
    return [...asked, ...single, ...several];
  }

  /** Show charts for what the node has; `collectors` are its newest reports. */
  update(collectors) {
    const wanted = new Map(this.wanted(collectors).map((spec) => [`${spec.metric} ${spec.instance}`, spec]));
    for (const [key, chart] of this.charts) {
      if (wanted.has(key)) continue;
      chart.remove();
      chart.element.remove();
      this.charts.delete(key);
    }
    let added = false;
    for (const [key, spec] of wanted) {
      if (this.charts.has(key)) continue;
      const chart = new Chart({ ...spec, node: this.node }, (since, until) => this.zoomed(since, until));
      this.charts.set(key, chart);
      this.grid.append(chart.element);
      added = true;
    }
    if (added) this.load();
  }

  zoomed(since, until) {
    this.picker.choose({ window: null, since: since.toFixed(0), until: until.toFixed(0) });
  }

  /** Once a second: a window that ends now is asked for again, as often as a bucket is new. */
  tick() {
    const { since, until, key } = windowOf(window.location.search, this.state.now);
    const every = Math.max(REFRESH_AT_LEAST_MS, ((until - since) * 1000) / REFRESHES_A_WINDOW);
    if (key !== null && performance.now() - this.refreshed > every) this.load();
  }

  async load() {
    this.refreshed = performance.now();
    const place = windowOf(window.location.search, this.state.now);
    this.picker.show(place);
    say(this.told, `${clock(place.since)} to ${clock(place.until)}${place.key === null ? ", not live" : ""}`);
    const charts = [...this.charts.values()].map((chart) => this.loadOne(chart, place));
    await Promise.all([...charts, this.loadStory(place)]);
  }

  async loadStory({ since, until }) {
    const query = new URLSearchParams({ node: this.node, since: since.toFixed(3), until: until.toFixed(3) });
    const answer = await fetch(`/api/incidents?${query}`).catch(() => null);
    if (!answer?.ok) return;
    const found = await answer.json();
    const quiet = h("li", {}, "Nothing but what was measured.");
    this.story.replaceChildren(...(found.story.length > 0 ? lines(found.story, found.until) : [quiet]));
    say(this.gaps, found.gaps.map(gapWords).join(" "));
  }

  async loadOne(chart, { since, until }) {
    const points = Math.max(100, Math.round(chart.canvas.clientWidth || 400));
    const query = new URLSearchParams({
      node: this.node,
      metric: chart.spec.metric,
      instance: chart.spec.instance,
      since: since.toFixed(3),
      until: until.toFixed(3),
      points,
    });
    const answer = await fetch(`/api/series?${query}`).catch(() => null);
    if (answer === null) return chart.fail("The dashboard does not answer.");
    const found = await answer.json();
    return answer.ok ? chart.show(found) : chart.fail(found.error);
  }

  repaint() {
    for (const chart of this.charts.values()) chart.draw();
  }

  remove() {
    for (const chart of this.charts.values()) chart.remove();
  }
}

function gapWords({ first, last, state }) {
  return `${first === last ? `Report ${first}` : `Reports ${first} to ${last}`}: ${whyMissing(state)}.`;
}

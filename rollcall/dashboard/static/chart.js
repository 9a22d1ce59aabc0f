// A chart of one series that cannot lie: the band from minimum to maximum with the mean, holes where
// nothing was recorded, and why there is nothing.

import uPlot from "./vendor/uPlot.esm.js";
import { h, say } from "./dom.js";
import { clock, figure, span } from "./words.js";

const HEIGHT = 200;
const HATCH_PX = 6;
const LEAST_DRAG_PX = 5;
const LEAST_SPAN = { celsius: 10 };
const WORDS = { offline: "offline", stale: "stale", unrecorded: "not recorded" };

export class Chart {
  /** `spec` is {node, metric, instance}; `zoom(since, until)` is called when a window was dragged. */
  constructor(spec, zoom) {
    this.spec = spec;
    this.zoom = zoom;
    this.answer = null;
    this.plot = null;
    this.dragging = false;
    this.waiting = [];
    this.heading = h("h3", {}, title(spec));
    this.legend = h("p", { class: "legend" });
    this.readout = h("p", { class: "readout", role: "status" });
    this.canvas = h("div", {
      class: "plot",
      tabindex: 0,
      role: "group",
      "aria-label": title(spec),
      onkeydown: (event) => this.press(event),
      onpointerdown: () => this.hold(),
    });
    this.table = h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `${title(spec)} as a table`, hidden: true });
    this.probe = { series: h("i", { class: "probe series" }), muted: h("i", { class: "probe muted" }), line: h("i", { class: "probe line" }) };
    this.element = h("article", { class: "chart" }, this.heading, Object.values(this.probe), this.canvas, this.legend, this.readout, this.table);
    this.sizes = new ResizeObserver(() => this.plot?.setSize({ width: this.canvas.clientWidth, height: HEIGHT }));
    this.sizes.observe(this.canvas);
  }

  /** Show an answer of /api/series. */
  show(answer) {
    if (this.waits(() => this.show(answer))) return;
    this.answer = answer;
    say(this.legend, legendWords(answer));
    this.canvas.setAttribute("aria-label", sentence(this.spec, answer));
    // The same chart goes on, so that a pointer over it stays where it is.
    if (this.plot === null) this.draw();
    else this.plot.setData(this.columns());
    if (!this.table.hidden) this.fillTable();
  }

  columns() {
    const { times, min, avg, max } = this.answer;
    return [times, max, avg, min];
  }

  // A chart is not taken from under a finger that is drawing on it: what comes meanwhile waits.
  waits(action) {
    if (this.dragging) this.waiting.push(action);
    return this.dragging;
  }

  hold() {
    this.dragging = true;
    const ended = new AbortController();
    const release = () => {
      ended.abort();
      // After uPlot has heard of the end, too.
      setTimeout(() => {
        this.dragging = false;
        for (const action of this.waiting.splice(0)) action();
      });
    };
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, release, { signal: ended.signal });
  }

  fail(words) {
    if (this.waits(() => this.fail(words))) return;
    this.plot?.destroy();
    this.plot = null;
    this.answer = null;
    say(this.legend, words);
  }

  /** Draw again, in the colours that hold now: a canvas knows nothing of styles. */
  draw() {
    if (this.waits(() => this.draw())) return;
    this.plot?.destroy();
    this.plot = null;
    if (this.answer === null || !this.element.isConnected) return;
    const colours = Object.fromEntries(Object.entries(this.probe).map(([name, element]) => [name, getComputedStyle(element).color]));
    this.plot = new uPlot(this.options(colours), this.columns(), this.canvas);
  }

  options(colours) {
    const field = this.spec.metric.split(".")[1];
    const axis = { stroke: colours.muted, grid: { stroke: colours.line, width: 0.3 }, ticks: { stroke: colours.line, width: 0.5 } };
    const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
    return {
      width: Math.max(200, this.canvas.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: "node" }, drag: { setScale: false, x: true, y: false } },
      scales: {
        x: { time: true, range: () => [this.answer.since, this.answer.until] },
        y: { range: (_, low, high) => scaleOf(field, low, high) },
      },
      series: [{}, edge, { stroke: colours.series, width: 1.5, points: { show: () => this.isSparse(), size: 4 }, spanGaps: false }, edge],
      bands: [{ series: [1, 3], fill: colours.series.replace(")", " / 0.25)").replaceAll(",", "") }],
      axes: [
        { ...axis, values: (_, ticks, __, ___, step) => ticks.map((tick) => tickWords(tick, step)) },
        { ...axis, size: 80, values: (_, ticks) => ticks.map((tick) => figure(field, tick)) },
      ],
      hooks: {
        drawClear: [(plot) => this.drawReasons(plot, colours)],
        draw: [(plot) => this.drawEvents(plot, colours)],
        setSelect: [(plot) => this.selected(plot)],
        setCursor: [(plot) => this.tell(plot.cursor.idx)],
      },
    };
  }

  isSparse() {
    return this.answer.times.length < 60;
  }

  // Hatched: there is nothing here, and this is why.
  drawReasons(plot, colours) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = fontOf();
    ctx.textAlign = "left";
    for (const gap of this.answer.reasons) {
      const left = Math.max(bbox.left, plot.valToPos(gap.since, "x", true));
      const right = Math.min(bbox.left + bbox.width, plot.valToPos(gap.until, "x", true));
      if (right <= left) continue;
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, bbox.top, right - left, bbox.height);
      ctx.clip();
      ctx.strokeStyle = colours.line;
      ctx.globalAlpha = 0.5;
      ctx.beginPath();
      const step = HATCH_PX * (window.devicePixelRatio || 1);
      for (let x = left - bbox.height; x < right; x += step) {
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
      }
      ctx.stroke();
      ctx.restore();
      ctx.fillStyle = colours.muted;
      const words = WORDS[gap.state] ?? gap.state;
      if (right - left > ctx.measureText(words).width + 4) ctx.fillText(words, left + 2, bbox.top + 12 * (window.devicePixelRatio || 1));
    }
    ctx.restore();
  }

  drawEvents(plot, colours) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colours.muted;
    ctx.fillStyle = colours.muted;
    ctx.font = fontOf();
    ctx.setLineDash([4, 3]);
    for (const event of this.answer.events) {
      const x = plot.valToPos(event.time, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const words = event.kind.replaceAll("_", " ");
      const fits = x + ctx.measureText(words).width + 4 < bbox.left + bbox.width;
      ctx.textAlign = fits ? "left" : "right";
      ctx.fillText(words, fits ? x + 3 : x - 3, bbox.top + bbox.height - 4);
    }
    ctx.restore();
  }

  selected(plot) {
    const { left, width } = plot.select;
    const since = plot.posToVal(left, "x");
    const until = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (width >= LEAST_DRAG_PX) this.zoom(since, until);
  }

  tell(index) {
    say(this.readout, index === null || index === undefined ? "" : pointWords(this.answer, index, this.spec));
  }

  press(event) {
    if (this.plot === null) return;
    const last = this.answer.times.length - 1;
    const at = this.plot.cursor.idx ?? last;
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      const index = Math.min(last, Math.max(0, next));
      this.plot.setCursor({ left: this.plot.valToPos(this.answer.times[index], "x"), top: HEIGHT / 3 });
      this.tell(index);
    } else if (event.key === "t" || event.key === "T") {
      this.table.hidden = !this.table.hidden;
      if (!this.table.hidden) this.fillTable();
    }
  }

  fillTable() {
    const field = this.spec.metric.split(".")[1];
    const { times, min, avg, max, samples } = this.answer;
    const rows = times.map((time, index) => [time, min[index], avg[index], max[index], samples[index]]).filter((row) => row[4]);
    this.table.replaceChildren(
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ["from", "minimum", "mean", "maximum", "samples"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, rows.map(([time, low, mean, high, count]) =>
          h("tr", {}, h("th", { scope: "row" }, clock(time)), [low, mean, high].map((value) => h("td", {}, figure(field, value))), h("td", {}, String(count))))),
      ),
    );
  }

  remove() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }
}

// A canvas counts in the pixels of the screen.
function fontOf() {
  return `${11 * (window.devicePixelRatio || 1)}px system-ui, "DejaVu Sans", sans-serif`;
}

function title({ metric, instance }) {
  return instance ? `${metric} ${instance}` : metric;
}

// Shares go from 0 to 100, sizes and rates from 0; what has no natural zero spans at least so much.
function scaleOf(field, low, high) {
  if (low === null || high === null) return field.endsWith("percent") ? [0, 100] : [0, 1];
  if (field.endsWith("percent")) return [Math.min(0, low), Math.max(100, high)];
  const least = LEAST_SPAN[field.split("_").at(-1)];
  if (least === undefined) return [Math.min(0, low), high > 0 ? high * 1.1 : 1];
  const room = Math.max(0, least - (high - low)) / 2 + (high - low) * 0.05;
  return [low - room, high + room];
}

function tickWords(seconds, step) {
  const then = new Date(seconds * 1000);
  const day = then.toLocaleDateString([], { day: "numeric", month: "short" });
  if (step >= 86_400) return day;
  const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return then.getHours() === 0 && then.getMinutes() === 0 ? day : time;
}

function legendWords(answer) {
  const known = answer.samples.filter((count) => count > 0).length;
  if (known === 0) return "Nothing was recorded in this window.";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const share = `recorded ${(100 * answer.recorded).toFixed(1)} %`;
  if (answer.level === "samples") return `every sample; ${share}; times in ${zone}`;
  return `minimum, mean and maximum per ${span(answer.bucket)}; ${share}; times in ${zone}`;
}

function sentence(spec, answer) {
  const field = spec.metric.split(".")[1];
  const known = answer.avg.filter((value) => value !== null);
  if (known.length === 0) return `${title(spec)}: nothing recorded`;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const peak = Math.max(...answer.max.filter((value) => value !== null));
  return `${title(spec)} from ${clock(answer.since)} to ${clock(answer.until)}: mean ${figure(field, mean)}, peak ${figure(field, peak)}. Arrow keys read values, T shows a table.`;
}

function pointWords(answer, index, spec) {
  const field = spec.metric.split(".")[1];
  const time = clock(answer.times[index]);
  if (answer.avg[index] === null) return `${time}: nothing recorded`;
  if (answer.samples[index] === 1) return `${time}: ${figure(field, answer.avg[index])}`;
  return `${time}: mean ${figure(field, answer.avg[index])}, from ${figure(field, answer.min[index])} to ${figure(field, answer.max[index])}, ${answer.samples[index]} samples`;
}

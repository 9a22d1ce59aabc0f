// The cluster: a table, worst first.

import { h, mark, say } from "./dom.js";
import { draw, inWords } from "./sparkline.js";
import { condition, figure, isFresh, span, worstAlert } from "./words.js";

const RESORT_MS = 5000;
const COLUMNS = [
  ["Node", "node"],
  ["State", "state"],
  ["Alert", "alert"],
  ["CPU", "cpu"],
  ["Last hour", "trend"],
  ["Memory", "memory"],
  ["Fullest disk", "disk"],
  ["Temperature", "temperature"],
  ["Load", "load"],
  ["Heard", "age"],
];
const FIELDS = { cpu: "percent", memory: "percent", disk: "percent", temperature: "celsius", load: "" };

const NO_POINTS = [];

class Row {
  constructor(name) {
    this.cells = Object.fromEntries(COLUMNS.map(([label, key]) => [key, h("td", { "data-label": label })]));
    this.link = h("a", { href: `/node/${encodeURIComponent(name)}`, "data-inside": true }, name);
    this.description = h("small", {});
    this.canvas = h("canvas", { role: "img", width: 120, height: 24 });
    this.cells.node = h("th", { scope: "row", "data-label": "Node" }, this.link, this.description);
    this.shape = h("span", { class: "shape", "aria-hidden": "true" });
    this.word = h("span", {});
    this.cells.state.append(this.shape, this.word);
    this.cells.trend.append(this.canvas);
    this.tr = h("tr", {}, COLUMNS.map(([, key]) => this.cells[key]));
    this.points = NO_POINTS;
    this.painted = null;
  }

  update(node, points, now) {
    const { key, shape, word } = condition(node);
    mark(this.tr, "data-condition", key);
    say(this.shape, shape);
    say(this.word, word);
    say(this.description, node.description ?? "");
    say(this.cells.alert, worstAlert(node)?.summary ?? "");
    this.points = points ?? NO_POINTS;
    this.grow(node, now);
  }

  // A canvas knows its colour only once it is in the page.
  paint(anew) {
    if (!this.canvas.isConnected || (this.painted === this.points && !anew)) return;
    this.painted = this.points;
    draw(this.canvas, this.points);
    mark(this.canvas, "aria-label", inWords(this.points));
  }

  // What changes with time alone: ages, and values that have grown too old to be shown as the present.
  grow(node, now) {
    for (const [name, field] of Object.entries(FIELDS)) {
      const value = node.values[name];
      const text = isFresh(node, value, now) ? figure(field, value.value) : "–";
      say(this.cells[name], value?.instance && text !== "–" ? `${text} ${value.instance}` : text);
    }
    say(this.cells.age, node.seen === undefined ? "?" : span(now - node.seen));
  }
}

export class ClusterView {
  constructor(state) {
    this.state = state;
    this.rows = new Map();
    this.sortedAt = -Infinity;
    this.filter = h("input", {
      type: "search",
      "aria-label": "Show only nodes with this text in their name or description",
      placeholder: "Filter",
      oninput: () => this.filterChanged(),
    });
    this.filter.value = new URLSearchParams(window.location.search).get("q") ?? "";
    this.body = h("tbody", {});
    this.table = h(
      "table",
      { class: "cluster" },
      h("caption", { class: "unseen" }, "The nodes, worst first"),
      h("thead", {}, h("tr", {}, COLUMNS.map(([label]) => h("th", { scope: "col" }, label)))),
      this.body,
    );
    this.nobody = h(
      "div",
      { class: "nobody", hidden: true },
      h("h2", {}, "Nobody there yet"),
      h("p", {}, "No node has reported to this broker. On the hub, let one in:"),
      h("pre", {}, "rollcall node add NAME"),
      h("p", {}, "or run an agent on this machine:"),
      h("pre", {}, "rollcall run agent"),
    );
    this.element = h("section", {}, h("div", { class: "tools" }, this.filter), this.nobody, this.table);
  }

  filterChanged() {
    const text = this.filter.value;
    const url = new URL(window.location.href);
    if (text) url.searchParams.set("q", text);
    else url.searchParams.delete("q");
    window.history.replaceState(null, "", url);
    this.update(true);
  }

  /** Show the state; `now` of a new frame or a new snapshot sorts anew where nobody is reading. */
  update(sorting = false) {
    const { nodes, trends, now } = this.state;
    for (const [name, row] of this.rows) {
      if (!nodes.has(name)) {
        row.tr.remove();
        this.rows.delete(name);
      }
    }
    for (const node of nodes.values()) {
      let row = this.rows.get(node.name);
      if (row === undefined) {
        row = new Row(node.name);
        this.rows.set(node.name, row);
        sorting = true;
      }
      row.update(node, trends.get(node.name), now);
      row.tr.hidden = !this.isWanted(node);
    }
    this.nobody.hidden = nodes.size > 0 || this.state.around?.broker.state !== "connected";
    this.table.hidden = nodes.size === 0;
    this.sort(sorting);
    for (const row of this.rows.values()) row.paint(false);
  }

  remove() {}

  /** Draw what a canvas shows in the colours that hold now. */
  repaint() {
    for (const row of this.rows.values()) row.paint(true);
  }

  /** Once a second: let ages grow. */
  tick() {
    for (const [name, row] of this.rows) {
      if (!row.tr.hidden) row.grow(this.state.nodes.get(name), this.state.now);
    }
    this.sort(false);
  }

  isWanted(node) {
    const text = this.filter.value.trim().toLowerCase();
    return `${node.name} ${node.description ?? ""}`.toLowerCase().includes(text);
  }

  // Rows do not run away from under a finger.
  sort(at_once) {
    const reading = this.body.matches(":hover") || this.body.contains(document.activeElement);
    if (!at_once && (reading || performance.now() - this.sortedAt < RESORT_MS)) return;
    this.sortedAt = performance.now();
    const wanted = this.state.worstFirst().map((node) => this.rows.get(node.name)?.tr).filter(Boolean);
    wanted.forEach((tr, index) => {
      if (this.body.children[index] !== tr) this.body.insertBefore(tr, this.body.children[index] ?? null);
    });
  }
}

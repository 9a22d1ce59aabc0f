// One node: everything it last said, each number with its age.

import { allowed, buttons } from "./actions.js";
import { h, say } from "./dom.js";
import { HistoryPanel } from "./history_panel.js";
import { ProcessesPanel } from "./processes_panel.js";
import { clock, condition, figure, labels, SEVERITIES, span } from "./words.js";

const FACTS = [
  ["hostname", "Host name"],
  ["model", "Model"],
  ["os", "System"],
  ["kernel", "Kernel"],
  ["architecture", "Architecture"],
  ["cpus", "CPUs"],
  ["agent", "Agent"],
];

export class NodeView {
  constructor(state, name) {
    this.state = state;
    this.name = name;
    this.ages = [];
    this.details = null;
    this.asked = null;
    this.mayAct = false;
    this.told = "";
    allowed().then((may) => {
      this.mayAct = may;
      this.processes.allow(may);
      this.told = "";
      this.update();
    });
    this.heading = h("h2", {}, name);
    this.word = h("p", { class: "condition" });
    this.alerts = h("ul", { class: "alerts" });
    this.facts = h("dl", { class: "facts" });
    this.collectors = h("div", { class: "collectors" });
    this.history = new HistoryPanel(state, name);
    this.processes = new ProcessesPanel(state, name);
    this.element = h(
      "section",
      { class: "node" },
      h("p", {}, h("a", { href: "/", "data-inside": true }, "← all nodes")),
      this.heading,
      this.word,
      this.alerts,
      this.facts,
      this.history.element,
      this.processes.element,
      h("h3", {}, "Now"),
      this.collectors,
    );
  }

  // What the stream tells of a node is its card; all else is asked for when the card has changed.
  async ask() {
    const card = this.state.nodes.get(this.name);
    if (card === undefined || card === this.asked) return;
    this.asked = card;
    const answer = await fetch(`/api/node/${encodeURIComponent(this.name)}`).catch(() => null);
    if (!answer?.ok) return;
    this.details = await answer.json();
    this.show();
  }

  update() {
    this.show();
    this.ask();
  }

  show() {
    const node = this.details;
    if (node === null) {
      const unknown = this.state.around !== null && !this.state.nodes.has(this.name);
      say(this.word, unknown ? "Nothing was ever heard of a node of this name." : "");
      return;
    }
    const { key, shape, word } = condition(node);
    this.word.dataset.condition = key;
    this.word.replaceChildren(
      h("span", { class: "shape", "aria-hidden": "true" }, shape),
      `${word}${node.since === undefined ? "" : `, ${node.state} since ${clock(node.since)}`}`,
    );
    this.showAlerts(node);
    this.facts.replaceChildren(...factRows(node));
    this.ages = [];
    const names = Object.keys(node.collectors).sort();
    this.collectors.replaceChildren(...names.map((name) => this.collector(name, node.collectors[name])));
    this.history.update(node.collectors);
    this.tick();
  }

  // Anew only when something changed: a button does not vanish under a finger.
  showAlerts(node) {
    const told = JSON.stringify(node.alerts);
    if (told === this.told) return;
    this.told = told;
    this.processes.load();
    const line = (alert) => alertLine(alert, buttons(this.mayAct, this.name, alert));
    this.alerts.replaceChildren(...[...node.alerts].sort(byUrgency).map(line));
  }

  repaint() {
    this.history.repaint();
  }

  remove() {
    this.history.remove();
  }

  tick() {
    this.history.tick();
    this.processes.tick();
    for (const { element, at, staleAfter } of this.ages) {
      const age = at === null ? null : this.state.now - at;
      const old = age === null || age > staleAfter;
      say(element, `${old ? "~ old: " : ""}${span(age)} ago`);
      element.parentElement.parentElement.toggleAttribute("data-old", old);
    }
  }

  collector(name, report) {
    const age = h("small", {});
    this.ages.push({ element: age, at: report.at, staleAfter: report.stale_after });
    const parts = [h("h3", {}, name, " ", age)];
    if (report.error) parts.push(h("p", { class: "refusal" }, report.error));
    if (report.clock) parts.push(h("p", {}, "The clock of this host is not synchronized."));
    const shown = (field, value) => this.shown(name, field, value);
    if (Object.keys(report.fields).length > 0) parts.push(fieldTable(report.fields, shown));
    if (Object.keys(report.instances).length > 0) parts.push(instanceTable(name, report.instances, shown));
    return h("article", {}, parts);
  }

  // A flag is 1 or 0 on the wire, and yes or no for people.
  shown(collector, field, value) {
    if (this.details.units[`${collector}.${field}`] !== "flag") return figure(field, value);
    return { 0: "no", 1: "yes" }[value] ?? figure(field, value);
  }
}

function byUrgency(a, b) {
  return (b.state === "firing") - (a.state === "firing") || SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity);
}

function alertLine(alert, actions) {
  const shape = { critical: "▲", warning: "●", info: "i" }[alert.severity];
  const flags = alert.flags.length > 0 ? ` (${alert.flags.join(", ")})` : "";
  return h(
    "li",
    { "data-condition": alert.state === "firing" ? alert.severity : "unsure" },
    h("span", { class: "shape", "aria-hidden": "true" }, shape),
    `${alert.severity}, ${alert.state} since ${clock(alert.since)}: ${alert.summary}${flags}`,
    actions,
  );
}

function factRows(node) {
  const info = node.info;
  if (info === null) return [];
  const rows = FACTS.filter(([key]) => info[key] !== undefined).map(([key, name]) => [name, String(info[key])]);
  if (info.memory_bytes !== undefined) rows.push(["Memory", figure("bytes", info.memory_bytes)]);
  if (info.addresses?.length) rows.push(["Addresses", info.addresses.join(", ")]);
  if (info.description) rows.push(["Description", info.description]);
  const labels = Object.entries(info.labels ?? {});
  if (labels.length > 0) rows.push(["Labels", labels.map(([key, value]) => `${key}=${value}`).join(", ")]);
  const fleet = node.fleet.drift ?? (node.fleet.revision ? `follows revision ${node.fleet.revision}` : null);
  if (fleet !== null) rows.push(["Fleet", fleet]);
  if (info.boot_time !== undefined) rows.push(["Booted", clock(info.boot_time)]);
  return rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function fieldTable(values, shown) {
  const names = labels(Object.keys(values));
  const row = ([field, value]) => h("tr", {}, h("th", { scope: "row" }, names.get(field)), h("td", {}, shown(field, value)));
  return h("table", {}, h("tbody", {}, Object.entries(values).map(row)));
}

const SIDE_BY_SIDE = 3;

// A few instances stand side by side, as columns; many are rows.
function instanceTable(collector, instances, shown) {
  const entries = Object.entries(instances);
  const fields = [...new Set(entries.flatMap(([, values]) => Object.keys(values)))];
  const names = labels(fields);
  const columns = entries.length <= SIDE_BY_SIDE;
  const head = columns ? entries.map(([name]) => name) : fields.map((field) => names.get(field));
  const rows = columns
    ? fields.map((field) => [names.get(field), entries.map(([, values]) => shown(field, values[field]))])
    : entries.map(([name, values]) => [name, fields.map((field) => shown(field, values[field]))]);
  return h(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": `${collector}, by instance` },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("td", {}), head.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map(([name, cells]) => h("tr", {}, h("th", { scope: "row" }, name), cells.map((cell) => h("td", {}, cell))))),
    ),
  );
}

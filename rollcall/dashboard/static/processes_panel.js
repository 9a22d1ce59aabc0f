// The largest processes of a node: as it answers when asked, else as they were recorded last.

import { post } from "./actions.js";
import { h, say } from "./dom.js";
import { clock, figure, span } from "./words.js";

const COLUMNS = [
  ["cpu_percent", "CPU"],
  ["memory_percent", "Memory"],
  ["resident_bytes", "Resident"],
];

export class ProcessesPanel {
  constructor(state, node) {
    this.state = state;
    this.node = node;
    this.found = null;
    this.fault = "";
    this.told = h("p", { class: "told" });
    this.news = h("span", { role: "status" });
    this.hint = h("p", { class: "told", hidden: true }, "To ask the node now: ", h("code", {}, `rollcall command ${node} processes`));
    this.asking = h("div", { class: "tools", hidden: true }, this.button("cpu", "Ask for the largest by CPU"), this.button("memory", "by memory"), this.news);
    this.table = h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Largest processes", hidden: true });
    this.element = h("section", { class: "processes", "aria-label": "Processes" }, h("h3", {}, "Processes"), this.asking, this.told, this.table, this.hint);
    this.load();
  }

  button(by, words) {
    return h("button", { type: "button", onclick: () => this.ask(by) }, words);
  }

  /** Say whether a session may ask; until then there is only what was recorded. */
  allow(may) {
    this.asking.hidden = !may;
    this.hint.hidden = may;
  }

  async ask(by) {
    say(this.news, "asking …");
    const found = await post({ action: "processes", node: this.node, by });
    say(this.news, found.error ?? "");
    if (!found.error) this.show({ ...found.result, time: this.state.now, asked: true });
  }

  /** Show what was recorded last, unless the node itself has said something newer. */
  async load() {
    const answer = await fetch(`/api/processes?node=${encodeURIComponent(this.node)}`).catch(() => null);
    const found = answer === null ? { error: "The dashboard does not answer." } : await answer.json();
    this.fault = found.error ?? null;
    if (found.time > (this.found?.time ?? 0)) this.show(found);
    else this.tick();
  }

  show(found) {
    this.found = found;
    const row = (process) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, process.name),
        COLUMNS.map(([field]) => h("td", {}, figure(field, process[field]))),
        h("td", {}, process.user ?? "–"),
        h("td", {}, String(process.pid)),
      );
    const head = ["Name", ...COLUMNS.map(([, label]) => label), "User", "Number"].map((label) => h("th", { scope: "col" }, label));
    this.table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, found.processes.map(row))));
    this.table.hidden = false;
    this.tick();
  }

  tick() {
    if (this.found === null) return say(this.told, this.fault ?? "No list of processes was recorded yet: one is taken when an alert begins, or when somebody asks.");
    const { time, by, asked } = this.found;
    const words = asked ? "The node answered at" : "Recorded at";
    return say(this.told, `${words} ${clock(time)}, ${span(this.state.now - time)} ago; the largest by ${by === "cpu" ? "CPU" : by}.`);
  }
}

// The frame around the views: what is live and what is not, and which view is open.

import { ClusterView } from "./cluster_view.js";
import { CompareView } from "./compare_view.js";
import { h, mark, say } from "./dom.js";
import { NightView } from "./night_view.js";
import { NodeView } from "./node_view.js";
import { remember } from "./place.js";
import { State } from "./state.js";
import { Stream } from "./stream.js";
import { clock, condition, local, span } from "./words.js";

const SCHEMES = ["system", "light", "dark"];
const ANNOUNCE_MS = 10_000;
const WEEK_S = 604_800;
const PLACES = [
  ["/", "Cluster"],
  ["/compare", "Compare"],
  ["/incidents", "Incidents"],
  ["/last-night", "Last night"],
];

class Frame {
  constructor() {
    this.state = new State();
    this.stream = new Stream((name, frame) => this.take(name, frame), () => this.state.whole());
    this.title = h("a", { href: "/", class: "title", "data-inside": true }, "Rollcall");
    this.summary = h("p", { class: "summary" });
    this.clock = h("span", {});
    this.parts = PARTS.map(() => h("span", { class: "part" }));
    this.services = h("p", { class: "services" }, this.clock, this.parts);
    this.banner = h("p", { class: "banner", role: "alert", hidden: true });
    this.spoken = h("p", { class: "unseen", role: "status" });
    this.scheme = h("button", { type: "button", class: "quiet", onclick: () => this.nextScheme() });
    this.main = h("main", {});
    this.conditions = new Map();
    this.changes = new Map();
    this.links = PLACES.map(([href, label]) => h("a", { href, "data-inside": true }, label));
    this.moment = h("input", { type: "datetime-local", onchange: () => this.travel() });
    const moment = h("label", {}, "As it was at ", this.moment);
    this.back = h("button", { type: "button", hidden: true, onclick: () => this.comeBack() }, "Back to now (Esc)");
    const leave = h(
      "form",
      { method: "post", action: "/logout" },
      h("button", { type: "submit", class: "quiet" }, "Log out"),
    );
    document.getElementById("app").append(
      h("header", {}, h("h1", {}, this.title), h("nav", { "aria-label": "Views" }, this.links), h("div", { class: "tools" }, moment, this.scheme, leave), h("div", { class: "now" }, this.summary, this.services, this.back)),
      this.banner,
      this.spoken,
      this.main,
    );
    document.addEventListener("click", (event) => this.follow(event));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.state.frozen !== null && this.comeBack());
    window.addEventListener("popstate", () => this.show());
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.view.repaint());
    this.useScheme(window.localStorage.getItem("scheme") ?? "system");
    setInterval(() => this.tick(), 1000);
    setInterval(() => this.announce(), ANNOUNCE_MS);
    this.show();
  }

  // Where we are

  show() {
    const path = window.location.pathname;
    const found = /^\/node\/([^/]+)$/.exec(path);
    const node = found ? decodeURIComponent(found[1]) : null;
    const at = path === "/" ? Number(new URLSearchParams(window.location.search).get("at")) || null : null;
    this.view?.remove();
    this.attune(at);
    this.view = this.viewOf(path, node);
    this.main.replaceChildren(this.view.element);
    this.links.forEach((link) => mark(link, "aria-current", link.pathname === path ? "page" : null));
    document.title = node === null ? "Rollcall" : `${node} - Rollcall`;
    this.view.update(true);
  }

  viewOf(path, node) {
    if (node !== null) return new NodeView(this.state, node);
    if (path === "/compare") return new CompareView(this.state);
    if (path === "/incidents") return new NightView(this.state, "Incidents", WEEK_S);
    if (path === "/last-night") return new NightView(this.state, "Last night", "night");
    return new ClusterView(this.state);
  }

  // The present comes as a stream; a moment of the past is asked for once, and stands still.
  attune(at) {
    this.state.frozen = at;
    this.back.hidden = at === null;
    this.moment.value = at === null ? "" : local(at);
    if (at === null) return this.stream.open();
    this.stream.close();
    return this.fetchMoment(at);
  }

  async fetchMoment(at) {
    const answer = await fetch(`/api/cluster?at=${at}`).catch(() => null);
    const frame = answer === null ? { error: "The dashboard does not answer." } : await answer.json();
    if (this.state.frozen !== at) return;
    this.pastFault = frame.error ?? null;
    if (!frame.error) this.take("snapshot", frame);
    this.tick();
  }

  travel() {
    const at = Date.parse(this.moment.value) / 1000;
    if (!(at > 0)) return;
    window.history.pushState(null, "", `/?at=${at.toFixed(0)}`);
    this.show();
  }

  comeBack() {
    remember({ at: null });
    this.show();
  }

  follow(event) {
    const link = event.target.closest?.("a[data-inside]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    window.history.pushState(null, "", link.href);
    this.show();
    this.main.querySelector("h2, input")?.focus();
    window.scrollTo(0, 0);
  }

  // What came

  take(name, frame) {
    const began = performance.now();
    this.state.take(name, frame);
    this.view.update(name === "snapshot");
    this.sum();
    this.noteChanges(name === "snapshot");
    // For whoever observes; nothing is kept.
    performance.measure(name, { start: began, end: performance.now() });
    performance.clearMeasures(name);
  }

  tick() {
    this.view.tick();
    this.sum();
    const heard = this.stream.silent;
    const broker = this.state.around?.broker;
    let words = "";
    if (this.state.frozen !== null) words = this.pastFault ?? `Not live: the cluster as it was recorded at ${clock(this.state.frozen)}.`;
    else if (heard) words = "Connection to the dashboard lost. What you see is old; ages grow on.";
    else if (broker?.state === "lost") words = `The broker is out of reach since ${clock(broker.since)} (${broker.reason}). What you see is old.`;
    say(this.banner, words);
    this.banner.hidden = words === "";
  }

  sum() {
    const counts = new Map();
    for (const node of this.state.nodes.values()) {
      const { key, shape } = condition(node);
      const entry = counts.get(key) ?? { shape, count: 0 };
      entry.count += 1;
      counts.set(key, entry);
    }
    const order = ["critical", "offline", "stale", "unsure", "warning", "ok"];
    const told = order.filter((key) => counts.has(key)).map((key) => `${counts.get(key).shape} ${counts.get(key).count} ${key}`);
    const total = this.state.nodes.size;
    say(this.summary, `${total} ${total === 1 ? "node" : "nodes"}: ${told.join(", ") || "nobody yet"}`);
    const around = this.state.around;
    this.services.hidden = around === null || this.state.frozen !== null;
    if (this.services.hidden) return;
    say(this.title, around.cluster);
    say(this.clock, clock(this.state.now));
    PARTS.forEach((words, index) => {
      const told = words(around, this.state.now);
      say(this.parts[index], ` · ${told}`);
      this.parts[index].toggleAttribute("data-trouble", !WELL.includes(told));
    });
  }

  // A screen reader hears of changes of state, not of values: one summary in ten seconds.
  noteChanges(first) {
    for (const node of this.state.nodes.values()) {
      const { word } = condition(node);
      const before = this.conditions.get(node.name);
      this.conditions.set(node.name, word);
      if (!first && before !== undefined && before !== word) this.changes.set(node.name, word);
    }
  }

  announce() {
    if (this.changes.size === 0) return;
    const told = [...this.changes].slice(0, 5).map(([name, word]) => `${name} is ${word}`);
    const more = this.changes.size > 5 ? `, and ${this.changes.size - 5} more` : "";
    say(this.spoken, told.join(", ") + more);
    this.changes.clear();
  }

  // Light and dark

  nextScheme() {
    this.useScheme(SCHEMES[(SCHEMES.indexOf(this.chosen) + 1) % SCHEMES.length]);
    window.localStorage.setItem("scheme", this.chosen);
  }

  useScheme(scheme) {
    this.chosen = SCHEMES.includes(scheme) ? scheme : "system";
    mark(document.documentElement, "data-scheme", this.chosen);
    say(this.scheme, `Colours: ${this.chosen}`);
    this.view?.repaint();
  }
}

// What is said of each part, and which of it is no trouble.
const PARTS = [({ broker }) => brokerWords(broker), recorderWords, alertWords];
const WELL = ["broker ok", "recording", "alerts ok"];

function brokerWords(broker) {
  return broker.state === "connected" ? "broker ok" : `broker ${broker.state}`;
}

function recorderWords({ broker, services: { recorder } }, now) {
  if (broker.state !== "connected") return "whether anything is recorded is not known";
  if (recorder === undefined) return "no recorder was ever seen: nothing is recorded";
  if (recorder.state === "online") {
    const fault = recorder.health.database;
    return typeof fault === "string" && fault !== "ok" ? `recorder: ${fault}` : "recording";
  }
  if (recorder.since === null) return "recorder lost: nothing is recorded";
  return `not recorded since ${clock(recorder.since)} (${span(now - recorder.since)})`;
}

function alertWords({ broker, services: { alerts } }) {
  if (broker.state !== "connected") return "nor whether anybody is told";
  if (alerts?.state !== "online") return "no alert service: nobody is told";
  const { mail, queued, blind } = alerts.health;
  if (blind) return "the alert service is blind";
  if (mail === "paused") return `mail is paused, ${queued} wait: mend its settings`;
  return mail === "waiting" ? `mail waits, ${queued} to send: no server takes it` : "alerts ok";
}

new Frame();

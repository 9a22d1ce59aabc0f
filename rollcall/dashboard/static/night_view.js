// What went wrong in a window: incidents, absences, gaps, and what changed most against the window before.

import { h, say } from "./dom.js";
import { remember } from "./place.js";
import { lines } from "./story.js";
import { figure, local, whyMissing } from "./words.js";

const EVENING_HOUR = 20;
const MORNING_HOUR = 8;

export class NightView {
  /** `usual` is "night" for last night, or a number of seconds back from now. */
  constructor(state, heading, usual) {
    this.state = state;
    this.usual = usual;
    this.since = h("input", { type: "datetime-local", "aria-label": "From", onchange: () => this.changed() });
    this.until = h("input", { type: "datetime-local", "aria-label": "To", onchange: () => this.changed() });
    this.told = h("p", { class: "told" });
    this.list = h("ol", { class: "story" });
    this.missing = h("p", { class: "told" });
    this.changes = h("div", {});
    this.element = h(
      "section",
      {},
      h("h2", { tabindex: -1 }, heading),
      h("div", { class: "tools" }, this.since, h("span", {}, "to"), this.until),
      this.told,
      this.list,
      this.missing,
      this.changes,
    );
    this.load();
  }

  update() {}

  tick() {}

  repaint() {}

  remove() {}

  get place() {
    const query = new URLSearchParams(window.location.search);
    const since = Number(query.get("since"));
    const until = Number(query.get("until"));
    if (since > 0 && until > since) return { since, until };
    if (this.usual !== "night") return { since: this.state.now - this.usual, until: this.state.now };
    const morning = new Date(this.state.now * 1000);
    if (morning.getHours() < MORNING_HOUR) morning.setHours(morning.getHours(), morning.getMinutes(), 0, 0);
    else morning.setHours(MORNING_HOUR, 0, 0, 0);
    const evening = new Date(morning);
    evening.setDate(evening.getDate() - 1);
    evening.setHours(EVENING_HOUR, 0, 0, 0);
    return { since: evening.getTime() / 1000, until: morning.getTime() / 1000 };
  }

  changed() {
    const since = Date.parse(this.since.value) / 1000;
    const until = Date.parse(this.until.value) / 1000;
    if (!(until > since)) return say(this.told, "The end lies before the beginning.");
    remember({ since: since.toFixed(0), until: until.toFixed(0) });
    return this.load();
  }

  async load() {
    const { since, until } = this.place;
    this.since.value = local(since);
    this.until.value = local(until);
    const query = new URLSearchParams({ since: since.toFixed(3), until: until.toFixed(3) });
    const answer = await fetch(`/api/incidents?${query}`).catch(() => null);
    const found = answer === null ? { error: "The dashboard does not answer." } : await answer.json();
    this.list.replaceChildren();
    this.changes.replaceChildren();
    say(this.missing, "");
    if (found.error) return say(this.told, found.error);
    say(this.told, toldWords(found));
    this.list.append(...lines(found.story, found.until));
    say(this.missing, missingWords(found.missing));
    if (found.changes.length > 0) this.changes.append(h("h3", {}, "Most changed against the same time before"), changeTable(found.changes));
    return undefined;
  }
}

function toldWords({ nodes, recorded, story }) {
  if (nodes === 0) return "Nothing was recorded of this time: what happened is not known.";
  const quiet = story.length === 0 ? " Nothing went wrong." : "";
  return `${nodes} ${nodes === 1 ? "node" : "nodes"}, recorded ${(100 * recorded).toFixed(1)} % of their time.${quiet}`;
}

// Which hours they are of is not known: only their numbers are.
function missingWords(missing) {
  if (missing.length === 0) return "";
  const each = missing.map(({ node, state, reports }) => `${node} ${reports}, ${whyMissing(state)}`);
  return `Reports missing in the database, of any time: ${each.join("; ")}.`;
}

function changeTable(changes) {
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ["Node", "Series", "Before", "Then", "Change"].map((label) => h("th", { scope: "col" }, label)))),
    h("tbody", {}, changes.map((change) => {
      const field = change.metric.split(".")[1];
      const series = change.instance ? `${change.metric} ${change.instance}` : change.metric;
      const ratio = change.before > 0 ? `× ${(change.after / change.before).toFixed(1)}` : "new";
      return h("tr", {}, h("th", { scope: "row" }, change.node), [series, figure(field, change.before), figure(field, change.after), ratio].map((text) => h("td", {}, text)));
    })),
  );
}

// The window of time that a view shows: a usual one that ends now, or any from one time to another.

import { h, mark } from "./dom.js";
import { remember, WINDOWS } from "./place.js";
import { local } from "./words.js";

export class WindowPicker {
  /** `changed()` is called when another window was chosen; the address has it then. */
  constructor(changed) {
    this.changed = changed;
    this.buttons = WINDOWS.map(([key, label]) =>
      h("button", { type: "button", onclick: () => this.choose({ window: key, since: null, until: null }) }, label),
    );
    this.since = h("input", { type: "datetime-local", "aria-label": "From", onchange: () => this.read() });
    this.until = h("input", { type: "datetime-local", "aria-label": "To", onchange: () => this.read() });
    this.element = h("div", { class: "tools", role: "group", "aria-label": "Window of time" }, this.buttons, this.since, h("span", {}, "to"), this.until);
  }

  choose(values) {
    remember(values);
    this.changed();
  }

  read() {
    const since = Date.parse(this.since.value) / 1000;
    const until = Date.parse(this.until.value) / 1000;
    mark(this.until, "aria-invalid", until <= since ? "true" : null);
    if (until > since) this.choose({ window: null, since: since.toFixed(0), until: until.toFixed(0) });
  }

  /** Show which window it is; a field in which somebody writes stays as it is. */
  show({ since, until, key }) {
    WINDOWS.forEach(([name], index) => mark(this.buttons[index], "aria-pressed", String(name === key)));
    if (this.element.contains(document.activeElement) && document.activeElement.type === "datetime-local") return;
    this.since.value = local(since);
    this.until.value = local(until);
  }
}

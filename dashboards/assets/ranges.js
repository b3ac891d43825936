// Which span the charts show: a named one, one that was dragged, and steps to earlier and later.
import { el, setText } from "./dom.js";
import { between, moment } from "./times.js";
import { span } from "./words.js";

const HOUR = 3600;
const NAMED = [
  ["1h", "1 h", "One hour", HOUR],
  ["24h", "24 h", "24 hours", 24 * HOUR],
  ["7d", "7 d", "7 days", 7 * 24 * HOUR],
  ["30d", "30 d", "30 days", 30 * 24 * HOUR],
  ["1y", "1 y", "One year", 365 * 24 * HOUR],
];
const USUAL = "24h";
const SHORTEST = 60;

export class Ranges {
  constructor(root, changed) {
    this.changed = changed;
    this.before = [];
    const asked = new URL(location.href).searchParams.get("range");
    this.shown = { name: NAMED.some(([name]) => name === asked) ? asked : USUAL };
    this.build(root);
    this.mark();
  }

  build(root) {
    this.buttons = NAMED.map(([name, label, title]) => this.button(label, title, () => this.set({ name }), { "data-range": name }));
    this.back = this.button("Back", "Back to the span before", () => this.goBack(), { class: "button small" });
    const earlier = this.button("‹", "Earlier", () => this.move(-1), { class: "button small", "data-move": "earlier" });
    this.later = this.button("›", "Later", () => this.move(1), { class: "button small", "data-move": "later" });
    const named = el("div", { class: "segmented", role: "group", "aria-label": "Span of the charts" }, ...this.buttons);
    const steps = el("div", { class: "range-steps" }, earlier, this.later, this.back);
    this.text = el("span", { class: "range-text", "data-role": "range-text" });
    root.append(el("div", { class: "ranges" }, named, steps, this.text));
  }

  button(text, title, act, attributes) {
    const button = el("button", { type: "button", text, title, "aria-label": title, ...attributes });
    button.addEventListener("click", act);
    return button;
  }

  // What the server is asked: a named span ends at the moment that the page shows.
  get wish() {
    const named = NAMED.find(([name]) => name === this.shown.name);
    return named ? { seconds: named[3] } : { since: this.shown.since, until: this.shown.until };
  }

  get isLive() {
    return Boolean(this.shown.name);
  }

  set(shown) {
    this.before = [];
    this.show(shown);
  }

  zoom(since, until) {
    if (until - since < SHORTEST) [since, until] = [(since + until - SHORTEST) / 2, (since + until + SHORTEST) / 2];
    this.before.push(this.shown);
    this.show({ since, until });
  }

  goBack() {
    const before = this.before.pop();
    if (before) this.show(before);
  }

  // Half a span at a time, so that what one looks at stays in sight.
  move(direction) {
    const { since, until, end } = this.span;
    const step = ((until - since) / 2) * direction;
    if (this.isLive) this.before.push(this.shown);
    if (until + step >= end && this.before.length && this.before[0].name) return this.set(this.before[0]);
    this.show({ since: since + step, until: until + step });
  }

  show(shown) {
    this.shown = shown;
    this.mark();
    const address = new URL(location.href);
    if (shown.name && shown.name !== USUAL) address.searchParams.set("range", shown.name);
    else address.searchParams.delete("range");
    history.replaceState(history.state, "", address);
    this.changed();
  }

  mark() {
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.range === this.shown.name));
    this.back.hidden = this.before.length === 0;
    this.later.disabled = this.isLive;
  }

  // What the server answered; `end` is where the present or the page's past moment is, `step` how long a step is.
  answered(since, until, step = this.step) {
    this.step = step;
    const end = this.isLive ? until : (this.span?.end ?? until);
    this.span = { since, until, end };
    this.hover(null);
  }

  hover(at) {
    if (this.span) setText(this.text, at === null ? `${between(this.span.since, this.span.until)}${this.step ? ` · steps of ${span(this.step)}` : ""}` : `${moment(at)} UTC`);
  }
}

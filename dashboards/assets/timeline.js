// A list of events, the newest first: asks for more as one goes back, and takes in new ones at the top.
import { el, hostThen, rememberInAddress, setText } from "./dom.js";
import { shape } from "./status.js";
import { clockSeconds, dayName } from "./times.js";

const NEAR = "300px";

export function mount(root, state, send) {
  const timeline = new Timeline(root, state, send);
  return (message) => timeline.receive(message);
}

class Timeline {
  constructor(root, { groups, host, is_fleet: isFleet, hosts = [], chosen = {} }, send) {
    Object.assign(this, { groups, isFleet, send, asked: 0, rows: new Map(), until: null });
    this.host = chosen.host || host;
    this.group = chosen.group in groups ? chosen.group : "all";
    this.build(root, hosts);
    this.whenSeen(root);
  }

  build(root, hosts) {
    this.chips = new Map(Object.entries({ all: "All", ...this.groups }).map(([group, label]) => [group, this.chip(group, label)]));
    const chips = el("div", { class: "chips", role: "group", "aria-label": "Filter by kind" }, ...this.chips.values());
    this.list = el("ol", { class: "timeline", "data-role": "timeline" });
    this.words = el("p", { class: "timeline-words", role: "status" });
    this.more = el("button", { class: "button", type: "button", text: "Older events", hidden: true });
    this.more.addEventListener("click", () => this.ask(this.until));
    if (this.isFleet) root.append(el("header", { class: "page-head" }, el("h1", { text: "Events" }), this.hostField(hosts)));
    const body = el("div", { class: this.isFleet ? "panel" : "" }, this.list, this.words);
    root.append(chips, body, this.more);
    this.mark();
  }

  chip(group, label) {
    const chip = el("button", { class: "chip", type: "button", text: label, "data-group": group });
    chip.addEventListener("click", () => this.choose({ group }));
    return chip;
  }

  // A host that is gone has events as well, and may be asked for in the address.
  hostField(hosts) {
    const names = hosts.includes(this.host) || !this.host ? hosts : [this.host, ...hosts];
    const select = el("select", { class: "input", "aria-label": "Host" }, el("option", { value: "", text: "All hosts" }), ...names.map((name) => el("option", { value: name, text: name })));
    select.value = this.host;
    select.addEventListener("change", () => this.choose({ host: select.value }));
    return select;
  }

  choose(wish) {
    Object.assign(this, wish);
    if (this.isFleet) rememberInAddress({ host: this.host, kind: this.group === "all" ? "" : this.group });
    this.mark();
    this.ask();
  }

  mark() {
    for (const [group, chip] of this.chips) chip.setAttribute("aria-pressed", String(group === this.group));
  }

  whenSeen(root) {
    const seen = new IntersectionObserver(([{ isIntersecting }]) => {
      if (!isIntersecting) return;
      seen.disconnect();
      this.ask();
    }, { rootMargin: NEAR });
    seen.observe(root);
  }

  ask(until = null) {
    this.asked += 1;
    this.isMore = until !== null;
    this.more.disabled = true;
    if (!this.isMore) setText(this.words, "Looking the events up…");
    this.send({ to: "timeline", id: this.asked, group: this.group, host: this.host, until });
  }

  receive({ id, rows, until, failed, new: newer, stale }) {
    if (!this.asked) return;
    if (stale) return this.ask();
    if (newer) return this.take(newer);
    if (id !== this.asked) return;
    this.more.disabled = false;
    if (failed) return this.say(failed);
    this.until = until;
    if (!this.isMore) this.rows.clear();
    this.put(rows);
  }

  // What is not asked for yet comes with the answer; what other filters hide is for them.
  take(rows) {
    this.put(rows.filter(({ group, host }) => (this.group === "all" || group === this.group) && (!this.host || host === this.host)));
  }

  put(rows) {
    for (const row of rows) {
      if (!this.rows.has(row.key)) this.rows.set(row.key, { ...row, element: draw(row, this.isFleet) });
    }
    this.arrange();
  }

  arrange() {
    const rows = [...this.rows.values()].sort(newestFirst);
    const shown = [];
    rows.forEach((row, index) => {
      const before = rows[index - 1];
      if (dayName(before?.at ?? 0) !== dayName(row.at)) shown.push(el("li", { class: "timeline-day" }, el(this.isFleet ? "h2" : "h3", { text: dayName(row.at) })));
      row.element.toggleAttribute("data-same", isTogether(before, row));
      if (row.group === "statuses") this.shorten(row, rows, index);
      shown.push(row.element);
    });
    this.list.replaceChildren(...shown);
    this.more.hidden = !this.until;
    this.say(rows.length ? "" : this.nothing());
  }

  // A status is what a finding made it: their sentence need not stand twice.
  shorten(row, rows, index) {
    let next = index + 1;
    while (isTogether(row, rows[next]) && rows[next].words !== row.words) next += 1;
    row.element.querySelector(".event-words").hidden = isTogether(row, rows[next]);
  }

  say(text) {
    setText(this.words, text);
    this.words.hidden = !text;
  }

  nothing() {
    if (this.group === "all") return "Nothing has happened yet. What changes, fails or recovers is written down here.";
    return `Nothing of this kind has been recorded${this.host ? ` of ${this.host}` : ""}.`;
  }
}

const ORDER = ["statuses", "findings"];
const rank = ({ group }) => (ORDER.indexOf(group) + 1 || 9);

function newestFirst(one, other) {
  return other.at - one.at || (one.host < other.host ? -1 : one.host > other.host ? 1 : 0) || rank(one) - rank(other) || (one.key < other.key ? -1 : 1);
}

function isTogether(one, other) {
  return Boolean(one && other && Math.floor(one.at) === Math.floor(other.at) && one.host === other.host);
}

function draw(row, isFleet) {
  const time = el("time", { datetime: row.shown_at, text: clockSeconds(row.at) });
  const when = el("a", { class: "event-time", href: hostThen(row.host, row.shown_at), title: `${row.host} at that moment` }, time);
  const host = isFleet ? [el("a", { class: "event-host", href: hostThen(row.host, row.shown_at), text: row.host, tabindex: "-1" })] : [];
  const mark = row.mark ? shape(row.mark) : el("i", { class: "event-dot", "aria-hidden": "true" });
  const what = el("p", { class: "event-what" }, el("b", { text: row.title }), el("span", { class: "event-words", text: row.words }), el("span", { class: "event-was", text: row.was }));
  return el("li", { class: "event", "data-role": "event", "data-kind": row.kind }, when, mark, ...host, what);
}

// When which host had alerts, as bars over time: what comes in waves, and what happens together.
import { now } from "./clock.js";
import { byName, el, setText } from "./dom.js";
import { moment, timeLabels } from "./times.js";
import { count, span } from "./words.js";

const DAY = 86400;
const RANGES = [
  ["1", "1 d", "One day"],
  ["7", "7 d", "Seven days"],
  ["30", "30 d", "Thirty days"],
];
const STEPS = { 1: DAY / 4, 7: DAY, 30: 5 * DAY };
const HOSTS = 12;

export class AlertStrip {
  constructor(root, choose) {
    this.choose = choose;
    this.days = 30;
    this.rows = [];
    this.chips = RANGES.map(([days, label, words]) => this.chip(Number(days), label, words));
    const chips = el("div", { class: "chips", role: "group", "aria-label": "Span of the timeline" }, ...this.chips);
    this.list = el("ul", { class: "strip", "data-role": "alert-strip" });
    this.axis = el("div", { class: "strip-axis", "aria-hidden": "true" });
    this.words = el("p", { class: "muted" });
    this.section = el("section", { class: "panel strip-panel" }, el("div", { class: "silence-head" }, el("h2", { text: "Timeline" }), chips), this.list, this.axis, this.words);
    root.append(this.section);
  }

  chip(days, label, words) {
    const chip = el("button", { class: "chip", type: "button", "aria-label": words, "data-days": days, text: label });
    chip.addEventListener("click", () => {
      this.days = days;
      this.show(this.rows);
    });
    return chip;
  }

  show(rows) {
    this.rows = rows;
    const until = now();
    const since = until - this.days * DAY;
    const hosts = [...byHost(rows.filter((row) => (row.closed ?? until) > since))].sort(([, one], [, other]) => other.length - one.length || byName.compare(one[0].host, other[0].host));
    for (const chip of this.chips) chip.setAttribute("aria-pressed", String(Number(chip.dataset.days) === this.days));
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.alert : null;
    this.list.replaceChildren(...hosts.slice(0, HOSTS).map(([host, found]) => this.draw(host, found, since, until)));
    if (focused) this.list.querySelector(`[data-alert="${focused}"]`)?.focus();
    this.axis.hidden = hosts.length === 0;
    this.axis.replaceChildren(...ticks(since, until, STEPS[this.days]));
    const more = hosts.length - HOSTS;
    setText(this.words, hosts.length === 0 ? "No alert in this time." : more > 0 ? `${count(more, "more host")} had fewer alerts.` : "");
  }

  draw(host, found, since, until) {
    const lanes = inLanes(found, until);
    const track = el("div", { class: "strip-track", style: `--lanes: ${Math.max(...lanes.values()) + 1}` });
    track.append(...found.map((row) => this.bar(row, lanes.get(row), since, until)));
    return el("li", {}, el("span", { class: "strip-host", text: host }), track);
  }

  bar(row, lane, since, until) {
    const percent = (at) => ((Math.max(at, since) - since) / (until - since)) * 100;
    const end = row.closed ?? until;
    const lasted = row.closed ? `lasted ${span(row.closed - row.began)}` : `for ${span(until - row.began)}`;
    const words = `${row.host}: ${row.message}, from ${moment(row.began)} UTC, ${lasted}`;
    const style = `--from: ${percent(row.began)}%; --to: ${percent(end)}%; --lane: ${lane}`;
    const bar = el("button", { class: "strip-bar", type: "button", "data-severity": row.worst, "data-alert": row.key, "aria-label": words, title: words, style });
    bar.addEventListener("click", () => this.choose(row));
    return bar;
  }
}

function byHost(rows) {
  const hosts = new Map();
  for (const row of [...rows].sort((one, other) => one.began - other.began)) {
    const name = row.host || "deleted host";
    hosts.set(name, [...(hosts.get(name) ?? []), row]);
  }
  return hosts;
}

// Alerts of one host that overlap lie below each other.
function inLanes(rows, until) {
  const ends = [];
  const lanes = new Map();
  for (const row of rows) {
    let lane = ends.findIndex((end) => end <= row.began);
    if (lane < 0) lane = ends.length;
    ends[lane] = row.closed ?? until;
    lanes.set(row, lane);
  }
  return lanes;
}

function ticks(since, until, step) {
  const moments = [];
  for (let at = Math.ceil(since / step) * step; at < until; at += step) moments.push(at);
  const labels = timeLabels(moments, step);
  return moments.map((at, index) => el("span", { style: `--at: ${((at - since) / (until - since)) * 100}%`, text: labels[index] }));
}

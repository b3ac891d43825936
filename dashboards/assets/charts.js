// The charts of a host's page: asks the server for spans of the past, and lets new samples in at the end.
import { Chart } from "./chart.js";
import { CHARTS } from "./chart-kinds.js";
import { Statuses } from "./chart-statuses.js";
import { now } from "./clock.js";
import { isPast } from "./dom.js";
import { GuestPicker } from "./guest-picker.js";
import { History } from "./history.js";
import { Ranges } from "./ranges.js";
import { Values } from "./values.js";

// What takes no time to speak of needs no word that it takes time.
const PATIENCE_MS = 250;
// A sample is acknowledged a moment before series know it.
const SETTLE_MS = 2000;
const TRIES = 5;
const OFFLINE_MS = 10_000;
const NEAR = "300px";

export function mount(root, state, send) {
  const charts = new Charts(root, state, send);
  return (message) => charts.receive(message);
}

class Charts {
  constructor(root, { thresholds, host }, send) {
    Object.assign(this, { send, kinds: new Map(), histories: new Map(), asked: 0 });
    this.ranges = new Ranges(root, () => this.askAll());
    this.statuses = new Statuses();
    const tools = { thresholds, statuses: () => this.statuses, hover: (at) => this.ranges.hover(at), select: (since, until) => this.ranges.zoom(since, until), reset: () => this.ranges.goBack() };
    for (const figure of document.querySelectorAll("[data-chart]")) this.add(figure, tools);
    this.values = new Values(document.querySelector("[data-role=chart-values]"), host, this.histories);
    this.picker = new GuestPicker(document.querySelector("[data-role=guest-picker]"), () => this.ask("guest", this.kinds.get("guest")));
    this.watch();
  }

  add(figure, tools) {
    const spec = CHARTS[figure.dataset.chart];
    const kind = this.kinds.get(spec.kind) ?? { charts: [], isSeen: false, isStale: true, id: 0, tries: 0 };
    kind.charts.push(new Chart(figure, spec, tools));
    this.kinds.set(spec.kind, kind);
  }

  // A chart asks when it comes near the window, and the page of a past moment when its sections are there.
  watch() {
    const seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.see(entry)), { rootMargin: NEAR });
    for (const { charts } of this.kinds.values()) charts.forEach(({ figure }) => seen.observe(figure));
    new MutationObserver(() => this.each((chart) => chart.redraw())).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    setInterval(() => this.statuses.isOffline && this.moveTo(now()), OFFLINE_MS);
    document.fonts?.ready.then(() => this.each((chart) => chart.redraw()));
  }

  each(act) {
    for (const { charts } of this.kinds.values()) charts.forEach(act);
  }

  see({ target, isIntersecting }) {
    const name = CHARTS[target.dataset.chart].kind;
    const kind = this.kinds.get(name);
    if (isIntersecting && kind.isStale) this.ask(name, kind);
    kind.near = (kind.near ?? new Set()).add(target);
    if (!isIntersecting) kind.near.delete(target);
  }

  askAll() {
    this.hasStatuses = false;
    for (const [name, kind] of this.kinds) {
      kind.isStale = true;
      this.histories.delete(name);
      if (kind.near?.size) this.ask(name, kind);
    }
  }

  askStatuses() {
    this.hasStatuses = true;
    this.statusId = this.asked += 1;
    this.send({ to: "charts", kind: "statuses", id: this.statusId, ...this.ranges.wish });
  }

  ask(name, kind) {
    if (!this.hasStatuses) this.askStatuses();
    kind.isStale = false;
    const id = (this.asked += 1);
    kind.id = id;
    kind.points = points(kind.charts[0].figure);
    this.send({ to: "charts", kind: name, id, points: kind.points, subject: name === "guest" ? this.picker.subject : "", ...this.ranges.wish });
    setTimeout(() => kind.id === id && kind.isWaiting && kind.charts.forEach((chart) => chart.setState("loading")), PATIENCE_MS);
    kind.isWaiting = true;
  }

  askLater(name, kind) {
    kind.isStale = true;
    setTimeout(() => kind.isStale && this.ask(name, kind), SETTLE_MS);
  }

  receive(message) {
    if (message.point) return this.follow(message.point);
    if (message.changes) return this.takeStatuses(message);
    const kind = this.kinds.get(message.kind);
    // An answer to a span that was left meanwhile says nothing any more.
    if (!kind || kind.id !== message.id) return;
    kind.isWaiting = false;
    if (message.failed) return kind.charts.forEach((chart) => chart.setState("failed", message.failed));
    const history = new History(JSON.parse(message.columns), message.names, kind.points);
    this.histories.set(message.kind, history);
    if (message.kind === "guest") {
      this.picker.offer(message.names);
      history.subject = this.picker.subject;
    }
    this.ranges.answered(history.since, history.until, message.kind === "host" ? history.resolution : undefined);
    kind.charts.forEach((chart) => chart.show(history));
    this.values.refresh();
    if (history.isEmpty && kind.tries-- > 0) this.askLater(message.kind, kind);
  }

  // Those of a span, or new ones at its end.
  takeStatuses({ id, first, changes }) {
    if (id === undefined) this.statuses.add(changes);
    else if (id === this.statusId) this.statuses.take({ first, changes });
    this.each((chart) => chart.redraw());
    if (id === undefined) this.moveTo(changes.at(-1).at);
  }

  // No sample moves the charts of a host that is offline.
  moveTo(at) {
    if (!this.ranges.isLive || isPast()) return;
    for (const [name, history] of this.histories) {
      history.moveTo(at);
      this.kinds.get(name).charts.forEach((chart) => chart.follow());
      this.ranges.answered(history.since, history.until);
    }
  }

  follow({ at, values }) {
    if (!this.ranges.isLive) return;
    for (const [name, kind] of this.kinds) {
      const history = this.histories.get(name);
      if (!history || !values[name] || kind.isWaiting || kind.isStale) continue;
      if (history.isEmpty) {
        kind.tries = TRIES;
        this.askLater(name, kind);
      } else {
        history.append(at, values[name]);
        kind.charts.forEach((chart) => chart.follow());
        this.ranges.answered(history.since, history.until);
      }
    }
    this.values.refresh();
  }
}

// One point for each pixel and a half is as much as a line can show.
function points(figure) {
  return Math.round((figure.clientWidth || 400) / 1.5);
}

// One chart: a figure with its title, a legend that shows the values at the crosshair, and the lines themselves.
import { placeMarks, shade } from "./chart-marks.js";
import { el, setText } from "./dom.js";
import { timeLabels } from "./times.js";
import uPlot from "./vendor/uplot.js";
import { UNKNOWN } from "./words.js";

const HEIGHT = 148;
// As wide as the longest label, and the same for all: one moment stands at the same place in each chart.
const SIDE = 54;
const RIGHT = 6;
const FONT = "11px Inter, system-ui, sans-serif";
const WORDS = { loading: "Loading…", empty: "No samples in this span" };

const ruler = document.createElement("canvas").getContext("2d");
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  constructor(figure, spec, { thresholds, statuses, hover, select, reset }) {
    Object.assign(this, { figure, spec, statuses, hover, select, reset, plot: null, rows: [] });
    this.thresholds = spec.hasThresholds ? thresholds : {};
    this.legend = el("ul", { class: "chart-legend" });
    this.place = el("div", { class: "chart-plot", role: "img", "aria-label": spec.title });
    this.words = el("p", { class: "chart-words", role: "status" });
    this.marks = el("div", { class: "chart-marks", "aria-hidden": "true" });
    figure.append(el("figcaption", {}, el("h3", { text: spec.title }), this.legend), el("div", { class: "chart-body" }, this.place, this.marks, this.words));
    new ResizeObserver(() => this.plot?.setSize({ width: this.place.clientWidth, height: HEIGHT })).observe(this.place);
    this.setState("loading");
  }

  setState(state, words = WORDS[state] ?? "") {
    this.figure.dataset.state = state;
    setText(this.words, words);
  }

  show(history) {
    this.history = history;
    this.rows = this.spec.rows(history);
    this.plot?.destroy();
    this.plot = null;
    this.legend.replaceChildren();
    this.marks.replaceChildren();
    if (this.rows.length === 0) return this.setState("empty");
    this.setState("ready");
    this.plot = new uPlot(this.options(), this.data(), this.place);
    this.showLegend();
    this.describe();
  }

  follow() {
    if (!this.plot) return this.show(this.history);
    const before = this.rows.map(({ min }) => Boolean(min)).join();
    this.rows = this.spec.rows(this.history);
    if (this.rows.map(({ min }) => Boolean(min)).join() !== before) return this.show(this.history);
    this.plot.setData(this.data());
    this.showLegend(this.plot.cursor.idx);
    this.describe();
  }

  data() {
    return [this.history.at, ...this.rows.flatMap(({ values, min, max }) => (min ? [values, max, min] : [values]))];
  }

  options() {
    const { unit, range } = this.spec;
    const series = [{}];
    const bands = [];
    this.colours = [null, ...this.rows.flatMap(({ colour, min }) => (min ? [colour, null, null] : [colour]))];
    for (const row of this.rows) {
      series.push(line(row));
      if (!row.min) continue;
      series.push(edge(), edge());
      bands.push({ series: [series.length - 2, series.length - 1], fill: () => faded(row.colour) });
    }
    return {
      width: this.place.clientWidth || 300,
      height: HEIGHT,
      padding: [8, RIGHT, 0, 0],
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { time: true, range: () => [this.history.since, this.history.until] },
        y: { range: (_, low, high) => range(high ?? 0) },
      },
      series,
      bands,
      axes: [
        axis({ values: (plot, splits, _, __, step) => thatFit(plot, splits, timeLabels(splits, step)), space: 64, size: 24 }),
        axis({ values: (_, splits) => splits.map(unit.axis), space: 32, size: SIDE, ...(unit.steps && { incrs: unit.steps }) }),
      ],
      cursor: this.cursor(),
      hooks: {
        setCursor: [(plot) => this.followCursor(plot)],
        setSelect: [(plot) => this.readSelection(plot)],
        drawAxes: [(plot) => shade(plot, this.statuses()), (plot) => this.drawThresholds(plot)],
        draw: [(plot) => placeMarks(this.marks, plot, this.statuses(), this.spec.isFirst)],
      },
    };
  }

  // Where the mouse is pressed and let go stays with its own chart; the others only follow the crosshair.
  cursor() {
    const isMove = (type) => type !== "mousedown" && type !== "mouseup" && type !== "dblclick";
    return {
      y: false,
      sync: { key: "charts", setSeries: false, scales: ["x", null], filters: { pub: isMove } },
      drag: { x: true, y: false, setScale: false, dist: 6 },
      points: { size: 7, width: 0, fill: (_, index) => (this.colours[index] ? token(this.colours[index]) : "transparent") },
      bind: { dblclick: () => () => this.reset() },
    };
  }

  readSelection(plot) {
    const { left, width } = plot.select;
    if (width < 6) return;
    const [since, until] = [left, left + width].map((x) => plot.posToVal(x, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.select(since, until);
  }

  followCursor(plot) {
    this.showLegend(plot.cursor.idx);
    this.hover(plot.cursor.idx == null ? null : this.history.at[plot.cursor.idx]);
  }

  showLegend(index = null) {
    if (this.legend.childElementCount !== this.rows.length) this.legend.replaceChildren(...this.rows.map(legendItem));
    this.rows.forEach((row, at) => {
      const values = row.shown ?? row.values;
      const value = index == null ? values.findLast((one) => one != null) : values[index];
      setText(this.legend.children[at].lastElementChild, value == null ? UNKNOWN : this.spec.unit.text(value));
    });
  }

  describe() {
    const parts = this.rows.map(({ label, values, shown = values }) => {
      const known = shown.filter((value) => value != null);
      const [low, high, last] = [known.reduce(least, Infinity), known.reduce(most, -Infinity), known.at(-1)].map((value) => (Number.isFinite(value) ? this.spec.unit.text(value) : UNKNOWN));
      return `${label}: ${last}, from ${low} to ${high}`;
    });
    this.place.setAttribute("aria-label", `${this.spec.title}. ${parts.join(". ")}`);
  }

  drawThresholds(plot) {
    for (const [name, value] of Object.entries(this.thresholds)) {
      const { ctx, bbox } = plot;
      const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
      ctx.save();
      ctx.strokeStyle = token(`--fill-${name}`);
      ctx.globalAlpha = 0.65;
      ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
  }

  // Colours are read when something is drawn.
  redraw() {
    this.plot?.redraw(false, true);
  }
}

const least = (one, other) => Math.min(one, other);
const most = (one, other) => Math.max(one, other);

function line({ colour, fill, dash }) {
  return {
    stroke: () => token(colour),
    fill: fill && (() => token(fill)),
    width: 1.5,
    dash,
    spanGaps: false,
    points: { show: true, size: 4, width: 0, fill: () => token(colour), filter: alone },
  };
}

const edge = () => ({ stroke: "transparent", width: 0, points: { show: false } });

// A value between two gaps has no line to be seen by.
function alone(plot, index) {
  const values = plot.data[index];
  return values.flatMap((value, row) => (value != null && values[row - 1] == null && values[row + 1] == null ? [row] : []));
}

function faded(colour) {
  return `color-mix(in srgb, ${token(colour)} 24%, transparent)`;
}

function axis(options) {
  const colour = () => token("--line");
  return { stroke: () => token("--text-3"), font: FONT, gap: 6, grid: { stroke: colour, width: 1 }, ticks: { show: false }, border: { show: false }, ...options };
}

// Without a label that the right edge would cut: each stands with its middle at its moment.
function thatFit(plot, splits, labels) {
  const { min, max } = plot.scales.x;
  const perSecond = (plot.width - SIDE - RIGHT) / (max - min);
  ruler.font = FONT;
  return labels.map((label, at) => (ruler.measureText(label).width / 2 <= RIGHT + perSecond * (max - splits[at]) ? label : null));
}

function legendItem({ label, colour, dash }) {
  const mark = el("i", { "aria-hidden": "true" });
  mark.style.setProperty("--colour", `var(${colour})`);
  if (dash) mark.className = "dashed";
  return el("li", {}, mark, el("span", { text: label }), el("b"));
}

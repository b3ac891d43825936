// The sparklines of the overview's cards: asked for when a card comes in sight, and again every few minutes.
import { el } from "./dom.js";
import { UNKNOWN } from "./words.js";

const WIDTH = 100;
const HEIGHT = 24;
const NEAR = "200px";
const AGAIN_MS = 5 * 60_000;
// Cards that come in sight together are asked for together.
const GATHER_MS = 60;

export class Sparklines {
  constructor(send) {
    Object.assign(this, { send, places: new Map(), near: new Map(), waiting: new Set(), known: new Set() });
    this.seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.see(entry)), { rootMargin: NEAR });
    setInterval(() => document.hidden || this.ask(this.near.values()), AGAIN_MS);
  }

  watch(id, place) {
    this.places.set(id, place);
    place.dataset.id = id;
    place.replaceChildren(...drawings([], []));
    this.seen.observe(place);
  }

  forget(id) {
    const place = this.places.get(id);
    if (place) this.seen.unobserve(place);
    this.near.delete(place);
    this.places.delete(id);
    this.known.delete(id);
  }

  see({ target, isIntersecting }) {
    const id = Number(target.dataset.id);
    if (!isIntersecting) return this.near.delete(target);
    this.near.set(target, id);
    if (!this.known.has(id)) this.ask([id]);
  }

  ask(ids) {
    if (this.waiting.size === 0) setTimeout(() => this.flush(), GATHER_MS);
    for (const id of ids) this.waiting.add(id);
  }

  flush() {
    if (this.waiting.size) this.send({ to: "cards", sparklines: [...this.waiting] });
    this.waiting.clear();
  }

  receive(lines) {
    for (const [id, load, memory] of lines) {
      this.known.add(id);
      this.places.get(id)?.replaceChildren(...drawings(load, memory));
    }
  }
}

function drawings(load, memory) {
  return [figure("Load", load, Math.max(1, ...load), (value) => value.toFixed(2)), figure("Memory", memory, 100, (value) => `${value} %`)];
}

function figure(label, values, top, words) {
  const known = values.filter((value) => value != null);
  const range = known.length ? `${words(Math.min(...known))} to ${words(Math.max(...known))}` : UNKNOWN;
  const text = `${label} of the last 24 h: ${range}`;
  return el("figure", { title: text }, el("figcaption", {}, label, el("span", { text: " 24 h" })), drawing(values, top, text));
}

function drawing(values, top, text) {
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": text });
  for (const run of runs(values)) {
    const points = run.map(([index, value]) => `${round((index * WIDTH) / (values.length - 1))},${round(HEIGHT - 1.5 - (value / top) * (HEIGHT - 3))}`);
    svg.append(node("path", { class: "spark-area", d: `M${points[0].split(",")[0]},${HEIGHT}L${points.join("L")}L${points.at(-1).split(",")[0]},${HEIGHT}Z` }), node("path", { class: "spark-line", d: `M${points.join("L")}${points.length === 1 ? "h1" : ""}` }));
  }
  return svg;
}

// Values that follow on one another; a gap stays a gap.
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value == null) return;
    if (values[index - 1] == null) found.push([]);
    found.at(-1).push([index, value]);
  });
  return found;
}

const round = (value) => Math.round(value * 10) / 10;

function node(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

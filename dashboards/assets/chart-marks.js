// Draws a host's statuses into a chart: shades under its lines, and marks above it that lead to their moment.
import { el } from "./dom.js";
import { shape } from "./status.js";
import { moment } from "./times.js";

const MARK_WIDTH = 12;
// Less room than this holds no word.
const WORD_WIDTH = 64;
const FONT = "11px Inter, system-ui, sans-serif";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function shade(plot, statuses) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const [from, to] of statuses.offline(plot.scales.x.min, plot.scales.x.max)) {
    const [left, right] = [from, to].map((at) => plot.valToPos(at, "x", true));
    ctx.fillStyle = token("--chart-offline");
    ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
    if (right - left > WORD_WIDTH * devicePixelRatio) word(ctx, "offline", (left + right) / 2, bbox.top + 14 * devicePixelRatio);
  }
  for (const { at, status } of marksOf(plot, statuses)) line(ctx, plot.valToPos(at, "x", true), bbox, token(`--${status}`));
  ctx.restore();
}

function word(ctx, text, x, y) {
  ctx.fillStyle = token("--text-3");
  ctx.font = FONT.replace("11", String(11 * devicePixelRatio));
  ctx.textAlign = "center";
  ctx.fillText(text, x, y);
}

function line(ctx, x, { top, height }, colour) {
  ctx.globalAlpha = 0.5;
  ctx.fillStyle = colour;
  ctx.fillRect(Math.round(x), top, devicePixelRatio, height);
  ctx.globalAlpha = 1;
}

function marksOf(plot, statuses) {
  const { min, max } = plot.scales.x;
  return statuses.marks(min, max, (MARK_WIDTH * (max - min)) / plot.over.clientWidth);
}

// The same marks stand above each chart: the keyboard and screen readers find those of the first.
export function placeMarks(layer, plot, statuses, isFirst) {
  const width = plot.over.clientWidth;
  const left = plot.bbox.left / devicePixelRatio;
  const marks = marksOf(plot, statuses).map((mark) => {
    const x = plot.valToPos(mark.at, "x");
    const link = el("a", { class: "chart-mark", href: address(mark.shown_at), "aria-label": `${moment(mark.at)} UTC: ${mark.words}`, tabindex: isFirst ? null : "-1", "data-side": x < width / 2 ? "start" : "end" }, shape(mark.status));
    link.style.left = `${left + x}px`;
    return link;
  });
  if (isFirst) layer.removeAttribute("aria-hidden");
  layer.replaceChildren(...marks);
}

function address(at) {
  const there = new URL(location.href);
  there.searchParams.delete("at");
  const query = there.searchParams.size ? `${there.searchParams}&` : "";
  return `?${query}at=${at}`;
}

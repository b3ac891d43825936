// The charts of a host's page: which lines each draws, in which unit, and how far its scale goes.
import { bytes, percent } from "./words.js";

const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];
const BINARY_STEPS = Array.from({ length: 61 }, (_, power) => 2 ** power);

const exactPercent = (value) => (value < 10 ? `${value.toFixed(1)} %` : percent(value));
const PERCENT = { text: exactPercent, axis: percent };
const BYTES = { text: bytes, axis: bytes, steps: BINARY_STEPS };
const LOAD = { text: (value) => value.toFixed(2), axis: (value) => String(Number(value.toFixed(2))) };

// A scale from 0 with some air, at least `least` high, so that idling does not look like work.
const upTo = (least, most = Infinity) => (top) => [0, Math.min(most, Math.max(least, top * 1.12))];
const whole = () => [0, 100];

const drawn = ({ mean, min, max }) => ({ values: mean, min, max });

export const CHARTS = {
  load: { kind: "host", title: "Load", unit: LOAD, range: upTo(1), rows: one("load1", "1 min"), isFirst: true },
  cpu: { kind: "host", title: "CPU", unit: PERCENT, range: upTo(10, 100), rows: one("cpu_percent", "CPU") },
  memory: { kind: "host", title: "Memory", unit: BYTES, range: (top) => [0, top * 1.04], rows: memory },
  zpools: { kind: "zpool", title: "Zpool capacity", unit: PERCENT, range: whole, rows: each("capacity_percent", drawn), hasThresholds: true },
  storages: { kind: "storage", title: "Use over time", unit: PERCENT, range: whole, rows: each("used_percent") },
  "guest-cpu": { kind: "guest", title: "CPU of guests", unit: PERCENT, range: upTo(10), rows: each("cpu_percent") },
  "guest-memory": { kind: "guest", title: "Memory of guests", unit: BYTES, range: upTo(1), rows: each("mem_bytes") },
};

function one(metric, label) {
  return (history) => history.ofMetric(metric).map((line) => ({ ...drawn(line), label, colour: COLOURS[0], fill: "--chart-1-weak" }));
}

// Bands of many lines would bury each other.
function each(metric, columns = ({ mean }) => ({ values: mean })) {
  return (history) => history.ofMetric(metric).map((line, index) => ({ ...columns(line), label: line.name, colour: COLOURS[index % COLOURS.length] }));
}

// What guests and programs use stands on the axis, the ARC on top of it, the whole as a line above both.
function memory(history) {
  const [used, arc, total] = ["mem_used_bytes", "arc_bytes", "mem_total_bytes"].map((metric) => history.line(metric));
  if (!used) return [];
  const rest = used.mean.map((value, row) => (value == null ? null : Math.max(0, value - (arc?.mean[row] ?? 0))));
  const rows = [{ ...drawn(used), label: "ARC", shown: arc?.mean ?? [], colour: "--fill-arc", fill: "--fill-arc" }];
  rows.push({ label: "Guests and programs", values: rest, colour: "--chart-1", fill: "--chart-1-solid" });
  if (total) rows.push({ label: "Total", values: total.mean, colour: "--text-3", dash: [4, 4] });
  return arc ? rows : rows.slice(1);
}

// The exact values behind the charts: as a table on demand, and as a CSV file that is made here.
import { el } from "./dom.js";
import { iso, moment } from "./times.js";
import { bytes, UNKNOWN } from "./words.js";

const NAMES = {
  load1: "Load",
  cpu_percent: "CPU",
  mem_used_bytes: "Memory used",
  arc_bytes: "ARC",
  mem_total_bytes: "Memory",
  capacity_percent: "Capacity",
  used_percent: "Used",
  mem_bytes: "Memory",
};
const KINDS = ["host", "zpool", "storage", "guest"];
const PARTS = ["mean", "min", "max"];
// What does not fit on a screen is for the file.
const MOST_ROWS = 200;

export class Values {
  constructor(root, host, histories) {
    Object.assign(this, { root, host, histories });
    this.details = el("details", { class: "chart-values" });
    this.place = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Exact values of the charts" });
    const download = el("button", { class: "button small", type: "button", text: "Download CSV", "data-action": "csv" });
    download.addEventListener("click", () => this.download());
    this.note = el("p", { class: "panel-sub" });
    this.details.append(el("summary", { text: "Exact values" }), el("div", { class: "chart-values-head" }, this.note, download), this.place);
    this.details.addEventListener("toggle", () => this.refresh());
    root.append(this.details);
  }

  refresh() {
    this.root.hidden = [...this.histories.values()].every((history) => history.isEmpty);
    if (!this.details.open) return;
    const { columns, rows } = this.collect();
    const newest = rows.reverse().slice(0, MOST_ROWS);
    this.note.textContent = rows.length > newest.length ? `The newest ${newest.length} of ${rows.length} steps; the file has all.` : "Every step, the newest first.";
    const head = el("tr", {}, el("th", { scope: "col", text: "Time (UTC)" }), ...columns.map((column) => el("th", { scope: "col", class: "num", text: column.label })));
    const body = newest.map(([at, values]) => el("tr", {}, el("th", { scope: "row", text: moment(at) }), ...columns.map(({ metric }, index) => el("td", { class: "num", text: shown(metric, values[index]) }))));
    this.place.replaceChildren(el("table", { class: "values" }, el("thead", {}, head), el("tbody", {}, ...body)));
  }

  // All kinds come from the same samples, so most moments are theirs together.
  collect() {
    const columns = [];
    const rows = new Map();
    for (const history of KINDS.map((kind) => this.histories.get(kind)).filter(Boolean)) {
      for (const line of history.lines) {
        for (const part of PARTS.filter((name) => line[name])) {
          const index = columns.push({ metric: line.metric, name: columnName(line, part), label: label(line, part) }) - 1;
          history.at.forEach((at, row) => line[part][row] != null && (rows.get(at) ?? rows.set(at, []).get(at)).splice(index, 1, line[part][row]));
        }
      }
    }
    return { columns, rows: [...rows].sort(([one], [other]) => one - other) };
  }

  download() {
    const { columns, rows } = this.collect();
    const lines = [["at", ...columns.map(({ name }) => name)], ...rows.map(([at, values]) => [iso(at), ...columns.map((_, index) => values[index] ?? "")])];
    const text = lines.map((cells) => cells.map(quoted).join(",")).join("\r\n");
    const address = URL.createObjectURL(new Blob([text, "\r\n"], { type: "text/csv" }));
    const link = el("a", { href: address, download: `${this.host}-${iso(rows.at(-1)?.[0] ?? 0).slice(0, 10)}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }
}

function columnName({ metric, subject }, part) {
  return [metric, subject, part === "mean" ? "" : part].filter(Boolean).join(" ");
}

function label({ metric, name }, part) {
  return [name, NAMES[metric] ?? metric, part === "mean" ? "" : part].filter(Boolean).join(" ");
}

function shown(metric, value) {
  if (value == null) return UNKNOWN;
  if (metric.endsWith("_bytes")) return bytes(value);
  return metric.endsWith("_percent") ? (value < 10 ? `${value.toFixed(2)} %` : `${value.toFixed(1)} %`) : value.toFixed(2);
}

// A spreadsheet takes a cell that begins with one of these signs for a formula; guests and pools name themselves.
function quoted(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The values behind the charts: as a table on demand, and as files that the server makes.
import { el } from "./dom.js";
import { moment } from "./times.js";
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
const FORMS = { csv: "Download CSV", parquet: "Download Parquet" };
const PARTS = ["mean", "min", "max"];
// What does not fit on a screen is for the file.
const MOST_ROWS = 200;

export class Values {
  constructor(root, host, histories) {
    Object.assign(this, { root, host, histories });
    this.details = el("details", { class: "chart-values" });
    this.place = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values of the charts" });
    this.files = ["csv", "parquet"].map((form) => el("a", { class: "button small", text: FORMS[form], download: true, "data-form": form }));
    this.note = el("p", { class: "panel-sub" });
    this.details.append(el("summary", { text: "Values as a table and as a file" }), el("div", { class: "chart-values-head" }, this.note, el("div", { class: "chart-files" }, ...this.files)), this.place);
    this.details.addEventListener("toggle", () => this.refresh());
    root.append(this.details);
  }

  refresh() {
    this.root.hidden = [...this.histories.values()].every((history) => history.isEmpty);
    if (!this.details.open) return;
    this.link();
    const { columns, rows } = this.collect();
    const newest = rows.reverse().slice(0, MOST_ROWS);
    this.note.textContent = rows.length > newest.length ? `The newest ${newest.length} of ${rows.length} steps, rounded; the files have all, with all digits.` : "Every step, the newest first, rounded; the files have all digits.";
    const head = el("tr", {}, el("th", { scope: "col", text: "Time (UTC)" }), ...columns.map((column) => el("th", { scope: "col", class: "num", text: column.label })));
    const body = newest.map(([at, values]) => el("tr", {}, el("th", { scope: "row", text: moment(at) }), ...columns.map(({ metric }, index) => el("td", { class: "num", text: shown(metric, values[index]) }))));
    this.place.replaceChildren(el("table", { class: "values" }, el("thead", {}, head), el("tbody", {}, ...body)));
  }

  // The server writes the files: the same spans and steps as are shown, with all digits.
  link() {
    const known = KINDS.map((kind) => [kind, this.histories.get(kind)]).filter(([, history]) => history && !history.isEmpty);
    if (!known.length) return;
    const [{ since, until }] = known.map(([, history]) => history);
    const show = known.map(([kind, history]) => `${kind}:${history.points}`).join();
    for (const file of this.files) {
      file.href = address(`/hosts/${encodeURIComponent(this.host)}/values.${file.dataset.form}`, `since=${since}&until=${until}&show=${show}&guest=${this.histories.get("guest")?.subject ?? ""}`);
    }
  }

  // All kinds come from the same samples, so most moments are theirs together.
  collect() {
    const columns = [];
    const rows = new Map();
    for (const history of KINDS.map((kind) => this.histories.get(kind)).filter(Boolean)) {
      for (const line of history.lines) {
        for (const part of PARTS.filter((name) => line[name])) {
          const index = columns.push({ metric: line.metric, label: label(line, part) }) - 1;
          history.at.forEach((at, row) => line[part][row] != null && (rows.get(at) ?? rows.set(at, []).get(at)).splice(index, 1, line[part][row]));
        }
      }
    }
    return { columns, rows: [...rows].sort(([one], [other]) => one - other) };
  }
}

function label({ metric, name }, part) {
  return [name, NAMES[metric] ?? metric, part === "mean" ? "" : part].filter(Boolean).join(" ");
}

function shown(metric, value) {
  if (value == null) return UNKNOWN;
  if (metric.endsWith("_bytes")) return bytes(value);
  return metric.endsWith("_percent") ? (value < 10 ? `${value.toFixed(2)} %` : `${value.toFixed(1)} %`) : value.toFixed(2);
}

function address(path, query) {
  return `${document.getElementById("shell").dataset.prefix}${path}?${query}`;
}

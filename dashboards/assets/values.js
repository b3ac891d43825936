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
// What does not fit on a screen is for the file.
const MOST_ROWS = 200;
// Samples come every few seconds; who reads a table does not need each at once.
const REST_MS = 5000;
// Of a number with 64 bits; what follows them is how a sum was rounded.
const CERTAIN_DIGITS = 15;

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
    if (!this.details.open || this.root.hidden) return;
    this.link();
    if (this.reading) this.isStale = true;
    else this.reading = this.read();
  }

  // The charts have four digits of each value; the table is of the same kind as the files.
  async read() {
    this.isStale = false;
    try {
      const response = await fetch(this.address("json"));
      if (!response.ok) throw new Error(response.statusText);
      this.show(await response.json());
    } catch {
      this.note.textContent = "The values could not be read: close this and open it again.";
    }
    setTimeout(() => {
      this.reading = null;
      if (this.isStale) this.refresh();
    }, REST_MS);
  }

  show({ at, columns }) {
    const newest = [...at.keys()].reverse().slice(0, MOST_ROWS);
    this.note.textContent = at.length > newest.length ? `The newest ${newest.length} of ${at.length} steps, exactly; the files have all.` : "Every step, the newest first, exactly.";
    const head = el("tr", {}, el("th", { scope: "col", text: "Time (UTC)" }), ...columns.map((column) => el("th", { scope: "col", class: "num", text: this.label(column) })));
    const body = newest.map((row) => el("tr", {}, el("th", { scope: "row", text: moment(at[row]) }), ...columns.map(({ metric, values }) => cell(metric, values[row]))));
    this.place.replaceChildren(el("table", { class: "values" }, el("thead", {}, head), el("tbody", {}, ...body)));
  }

  link() {
    for (const file of this.files) file.href = this.address(file.dataset.form);
  }

  // The same spans and steps as are shown.
  address(form) {
    const known = KINDS.map((kind) => [kind, this.histories.get(kind)]).filter(([, history]) => history && !history.isEmpty);
    const [{ since, until }] = known.map(([, history]) => history);
    const show = known.map(([kind, history]) => `${kind}:${history.points}`).join();
    return address(`/hosts/${encodeURIComponent(this.host)}/values.${form}`, `since=${since}&until=${until}&show=${show}&guest=${this.histories.get("guest")?.subject ?? ""}`);
  }

  label({ metric, subject, part }) {
    return [this.name(metric, subject), NAMES[metric] ?? metric, part === "mean" ? "" : part].filter(Boolean).join(" ");
  }

  name(metric, subject) {
    for (const { lines } of this.histories.values()) {
      const line = lines.find((one) => one.metric === metric && one.subject === subject);
      if (line) return line.name;
    }
    return subject;
  }
}

function cell(metric, exact) {
  if (exact == null) return el("td", { class: "num", text: UNKNOWN });
  const value = Number(exact.toPrecision(CERTAIN_DIGITS));
  if (metric.endsWith("_percent")) return el("td", { class: "num", text: `${value} %` });
  if (!metric.endsWith("_bytes")) return el("td", { class: "num", text: value });
  return el("td", { class: "num" }, bytes(value), el("small", { text: `${grouped(value)} B` }));
}

// All digits, those before the point in threes.
function grouped(value) {
  const [whole, ...rest] = String(value).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, "\u202f"), ...rest].join(".");
}

function address(path, query) {
  return `${document.getElementById("shell").dataset.prefix}${path}?${query}`;
}

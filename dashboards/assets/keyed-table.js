// A table whose rows have keys: sorted and drawn in the browser, changed row by row by the server's messages.
import { CELLS, compare } from "./cells.js";
import { byName, el, fold } from "./dom.js";
import { searchField } from "./host-grid.js";

export function mount(root, state, send) {
  const table = new KeyedTable(root, state, send);
  return (message) => table.receive(message);
}

// Kinds of columns that have something to show without a value.
const SPEAKING = new Set(["actions", "run-state"]);

export class KeyedTable {
  constructor(root, { columns, rows, ...options }, send = () => {}) {
    this.columns = columns;
    this.options = options;
    this.send = send;
    this.rows = new Map();
    this.drawn = new Map();
    this.limit = options.page ?? 200;
    [this.sortKey, this.direction] = options.sort ?? [columns[0].key, 1];
    this.accepts = () => true;
    this.prepare = options.prepare ?? ((row) => row);
    this.build(root);
    this.put(rows);
    this.arrange();
  }

  build(root) {
    this.body = el("tbody");
    this.headers = this.columns.map((column) => this.header(column));
    const head = el("thead", {}, el("tr", {}, ...this.headers));
    this.frame = el("div", { class: "keyed-frame" }, el("table", { class: "keyed" }, head, this.body));
    this.more = el("button", { class: "button more", type: "button" });
    this.more.addEventListener("click", () => this.showMore());
    if (this.options.filter) root.append(this.filterField());
    root.append(this.frame, this.more);
    new IntersectionObserver((seen) => seen[0].isIntersecting && this.showMore(), { rootMargin: "400px" }).observe(this.more);
  }

  filterField() {
    const field = searchField(`Filter ${this.options.filter}`, "", (text) => {
      const folded = fold(text.trim());
      this.filter((row) => fold(row.name).includes(folded));
    });
    field.classList.add("table-filter");
    this.field = field;
    return field;
  }

  header(column) {
    const header = el("th", { scope: "col", "data-kind": column.kind, "data-column": column.key });
    if (!column.sortable) {
      header.append(el("span", { text: column.label }));
      return header;
    }
    const button = el("button", { type: "button", text: column.label });
    button.addEventListener("click", () => this.sortBy(column.key));
    header.append(button);
    return header;
  }

  sortBy(key) {
    this.direction = key === this.sortKey ? -this.direction : 1;
    this.sortKey = key;
    this.sorted = null;
    this.arrange();
  }

  filter(accepts) {
    this.accepts = accepts;
    this.limit = this.options.page ?? 200;
    this.arrange();
  }

  showMore() {
    if (this.more.hidden) return;
    this.limit += this.options.page ?? 200;
    this.arrange();
  }

  receive({ put = [], remove = [] }) {
    if (remove.length) this.sorted = null;
    for (const key of remove) {
      this.rows.delete(key);
      this.drawn.get(key)?.remove();
      this.drawn.delete(key);
    }
    this.put(put);
    this.arrange();
  }

  put(rows) {
    if (rows.length) this.sorted = null;
    for (const fields of rows) {
      const row = this.prepare({ ...this.rows.get(fields.key), ...fields });
      this.rows.set(row.key, row);
      const drawn = this.drawn.get(row.key);
      if (drawn) this.fill(drawn, row);
    }
  }

  arrange() {
    this.sorted ??= this.sort();
    const accepted = this.sorted.filter(this.accepts);
    this.count = accepted.length;
    this.place(accepted.slice(0, this.limit).map((row) => this.draw(row)));
    this.more.hidden = accepted.length <= this.limit;
    this.more.textContent = `Show more of ${accepted.length}`;
    this.frame.hidden = accepted.length === 0;
    if (this.field) this.field.hidden = this.rows.size < 10;
    this.showOrder();
  }

  sort() {
    const column = this.columns.find(({ key }) => key === this.sortKey);
    const order = (one, other) => this.direction * compare(column, one, other) || byName.compare(one.key, other.key);
    return [...this.rows.values()].sort(order);
  }

  place(wanted) {
    const kept = new Set(wanted);
    for (const shown of [...this.body.children]) {
      if (!kept.has(shown)) shown.remove();
    }
    let place = this.body.firstElementChild;
    for (const element of wanted) {
      if (element === place) place = place.nextElementSibling;
      else this.body.insertBefore(element, place);
    }
  }

  showOrder() {
    for (const header of this.headers) {
      const isSorted = header.dataset.column === this.sortKey;
      if (isSorted) header.setAttribute("aria-sort", this.direction > 0 ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    }
  }

  draw(row) {
    const known = this.drawn.get(row.key);
    if (known) return known;
    const element = el("tr", { "data-key": row.key, "data-role": this.options.role });
    for (const column of this.columns) {
      const isHeading = column.key === "name";
      const attributes = { "data-kind": column.kind, "data-label": column.label, scope: isHeading ? "row" : null };
      element.append(el(isHeading ? "th" : "td", attributes));
    }
    this.fill(element, row);
    this.drawn.set(row.key, element);
    return element;
  }

  fill(element, row) {
    for (const [attribute, field] of Object.entries(this.options.attributes ?? {})) {
      element.dataset[attribute] = row[field];
    }
    this.columns.forEach((column, index) => {
      const cell = element.children[index];
      const value = row[column.key];
      const isBlank = value == null || value === "" || value.length === 0;
      cell.toggleAttribute("data-blank", isBlank && !SPEAKING.has(column.kind));
      CELLS[column.kind](cell, value, row, this.send);
    });
  }
}

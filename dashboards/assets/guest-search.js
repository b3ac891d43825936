// The search over all guests: every row is here already, so that a keystroke needs no server.
import { address, el, fold, isPast, rememberInAddress, setText } from "./dom.js";
import { searchField } from "./host-grid.js";
import { KeyedTable } from "./keyed-table.js";
import { count, whole } from "./words.js";

export function mount(root, state) {
  const search = new GuestSearch(root, state);
  return (message) => search.receive(message);
}

class GuestSearch {
  constructor(root, { table, query, loading, hosts }) {
    this.isLoading = loading;
    this.hosts = hosts;
    this.build(root, query);
    this.table = new KeyedTable(this.place, { ...table, prepare });
    this.search(query);
  }

  build(root, query) {
    this.sub = el("p", { class: "sub", role: "status" });
    this.field = searchField("Search by name, ID or IP address", query, (text) => {
      rememberInAddress({ q: text });
      this.search(text);
    });
    this.input = this.field.querySelector("input");
    this.input.dataset.role = "guest-search";
    const head = el("header", { class: "page-head" }, el("div", {}, el("h1", { text: "Guests" }), this.sub), this.field);
    this.place = el("div", { class: "panel table-panel" });
    this.empty = el("div", { class: "empty" });
    root.append(head, this.place, this.empty);
    if (query === "" && matchMedia("(hover: hover)").matches) this.input.focus({ preventScroll: true });
  }

  receive({ put, remove, hosts }) {
    this.isLoading = false;
    this.hosts = hosts;
    this.table.receive({ put, remove });
    this.describe();
  }

  search(text) {
    this.folded = fold(text.trim());
    this.table.filter((row) => row.folded.some((field) => field.includes(this.folded)));
    this.describe();
  }

  describe() {
    const all = this.table.rows.size;
    const some = this.table.count;
    const guests = count(all, "guest");
    const onHosts = ` on ${count(this.hosts, "host")}`;
    setText(this.sub, this.isLoading ? "Looking that moment up…" : (this.folded ? `${whole(some)} of ${guests}` : guests) + onHosts);
    this.place.hidden = some === 0;
    this.empty.hidden = some > 0 || this.isLoading;
    this.field.hidden = all === 0 && !this.isLoading && !this.folded;
    if (!this.empty.hidden) this.empty.replaceChildren(...(all ? this.nothingFound() : noGuests(this.hosts)));
  }

  nothingFound() {
    const reset = el("button", { class: "button", type: "button", text: "Show all guests" });
    reset.addEventListener("click", () => {
      this.input.value = "";
      this.input.dispatchEvent(new Event("input"));
      this.input.focus();
    });
    return [el("p", {}, "No guest has ", el("q", { text: this.input.value.trim() }), " in its name, ID or IP addresses."), reset];
  }
}

// What the search looks at, folded once per row instead of once per keystroke.
function prepare(row) {
  row.folded = [row.name, String(row.vmid), ...(row.ips ?? [])].map(fold);
  return row;
}

function noGuests(hosts) {
  if (isPast()) return [el("h2", { text: "No guest at that moment" }), el("p", { text: "No host had reported a virtual machine or container by then." })];
  if (hosts) return [el("h2", { text: "No guest yet" }), el("p", { text: "Virtual machines and containers appear here as soon as a host reports them." })];
  const link = el("a", { class: "button primary", href: address("/admin/hosts"), text: "Add a host" });
  return [el("h2", { text: "No guest yet" }), el("p", { text: "Guests appear here as soon as their host is watched." }), link];
}

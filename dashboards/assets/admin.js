// Administration: the form that adds a host, a new token shown once, and dialogs that ask before they act.
import { askFirst } from "./dialog.js";
import { el, pageLink, setText } from "./dom.js";
import { KeyedTable } from "./keyed-table.js";
import { showToken } from "./new-token.js";
import { count } from "./words.js";

export function mount(root, state, send) {
  const admin = new Admin(root, state, send);
  return (message) => admin.receive(message);
}

class Admin {
  constructor(root, { table }, send) {
    this.send = send;
    this.build(root);
    this.table = new KeyedTable(this.place, table, (ask) => askFirst(ask, (message) => this.ask(message)));
    this.describe();
  }

  build(root) {
    this.sub = el("p", { class: "sub" });
    this.outcome = el("p", { class: "notice", role: "status", hidden: true });
    this.token = el("div", { "aria-live": "polite" });
    this.place = el("div", { class: "panel table-panel" });
    this.empty = el("p", { class: "empty", text: "No host yet. Give the first one a name above." });
    const tools = el("div", { class: "head-tools" }, pageLink("/admin/store", "Store"));
    const head = el("header", { class: "page-head" }, el("div", {}, el("h1", { text: "Manage hosts" }), this.sub), tools);
    root.append(head, this.form(), this.outcome, this.token, this.place, this.empty);
  }

  form() {
    this.name = el("input", { id: "host-name", name: "name", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: "pve-01", "aria-describedby": "name-hint name-error" });
    this.error = el("p", { class: "field-error", id: "name-error", role: "alert" });
    this.button = el("button", { class: "button primary", type: "submit", text: "Add host" });
    const hint = el("p", { class: "hint", id: "name-hint", text: "Letters, digits, dots, dashes and underscores; it is how the host appears here." });
    const form = el("form", { class: "panel add-host", novalidate: true, "data-writes": true }, el("label", { for: "host-name", text: "Name of a new host" }), el("div", { class: "field-row" }, this.name, this.button), this.error, hint);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask({ action: "add", name: this.name.value });
    });
    return form;
  }

  ask(message) {
    this.outcome.hidden = true;
    this.fail("");
    this.button.disabled = true;
    this.send(message);
  }

  receive({ rows, answer }) {
    if (rows) this.table.receive(rows);
    if (answer) this.answer(answer);
    this.describe();
  }

  answer({ action, error, done, ...issued }) {
    this.button.disabled = false;
    if (error && action === "add") return this.fail(error);
    if (error || done) return this.tell(error || done, error ? "critical" : "");
    this.name.value = "";
    showToken(this.token, issued, action);
  }

  fail(text) {
    setText(this.error, text);
    this.name.toggleAttribute("aria-invalid", Boolean(text));
    if (text) this.name.focus();
  }

  tell(text, kind) {
    setText(this.outcome, text);
    this.outcome.dataset.kind = kind;
    this.outcome.hidden = false;
  }

  describe() {
    const hosts = this.table.rows.size;
    setText(this.sub, hosts ? `${count(hosts, "host")}. Each has a token of its own, which is shown once.` : "Each host gets a token of its own, which is shown once.");
    this.empty.hidden = hosts > 0;
    this.place.hidden = hosts === 0;
  }
}

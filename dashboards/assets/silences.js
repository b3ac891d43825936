// What is silenced now or in a maintenance window, and how to end it.
import { el, isPast } from "./dom.js";
import { iso } from "./times.js";

export class SilenceList {
  constructor(root, rows, send, ask) {
    this.rows = new Map(rows.map((row) => [row.key, row]));
    this.send = send;
    this.list = el("ul", { class: "silences" });
    this.empty = el("p", { class: "muted", text: "Nothing is silenced." });
    const add = el("button", { class: "button small", type: "button", text: "New silence…" });
    add.addEventListener("click", ask);
    const head = el("div", { class: "silence-head" }, el("h2", { text: "Silences and maintenance windows" }), add);
    root.append(el("section", { class: "panel silence-panel", hidden: isPast() }, head, this.list, this.empty));
    this.show();
  }

  receive({ put = [], remove = [] }) {
    for (const key of remove) this.rows.delete(key);
    for (const fields of put) this.rows.set(fields.key, { ...this.rows.get(fields.key), ...fields });
    this.show();
  }

  show() {
    this.empty.hidden = this.rows.size > 0;
    this.list.replaceChildren(...[...this.rows.values()].map((row) => this.draw(row)));
  }

  draw(row) {
    const end = el("button", { class: "button small", type: "button", text: "End", "aria-label": `End the silence of ${row.what}` });
    end.addEventListener("click", () => this.send({ action: "end-silence", id: row.key }));
    const words = [row.starts ? `from ${moment(row.starts)}` : "", row.ends ? `until ${moment(row.ends)}` : "until somebody ends it", row.hours, row.reason, `by ${row.by}`];
    return el("li", { "data-role": "silence" }, el("b", { text: row.what }), el("span", { text: words.filter(Boolean).join(" · ") }), end);
  }
}

const moment = (seconds) => iso(seconds).slice(0, 16).replace("T", " ") + " UTC";

// Chooses whose CPU and memory the charts of guests show: those of the largest ones, or of one.
import { el } from "./dom.js";

export class GuestPicker {
  constructor(root, changed) {
    this.select = el("select", { class: "input", "aria-label": "Guests in the charts" });
    this.select.addEventListener("change", () => changed());
    this.root = root;
    root.hidden = true;
    root.append(el("label", {}, el("span", { text: "Charts of" }), this.select));
    this.offer({});
  }

  get subject() {
    return this.select.value;
  }

  offer(names) {
    const offered = JSON.stringify(names);
    if (offered === this.offered) return;
    const { subject } = this;
    this.offered = offered;
    this.root.hidden = Object.keys(names).length < 2;
    this.select.replaceChildren(el("option", { value: "", text: "the guests with the most" }), ...Object.entries(names).map(([value, text]) => el("option", { value, text })));
    this.select.value = subject in names ? subject : "";
  }
}

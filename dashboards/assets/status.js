// A status is shown by colour, word and shape; the shapes are drawn by the style sheet.
import { el, setData, setText } from "./dom.js";

export const WORST_FIRST = ["critical", "warning", "offline", "ok"];
export const WORDS = { ok: "OK", warning: "Warning", critical: "Critical", offline: "Offline", unknown: "Unknown" };

export function shape(status) {
  return el("i", { class: "shape", "data-status": status, "aria-hidden": "true" });
}

export function pill(status) {
  const element = el("span", { class: "pill" }, shape(status), el("span"));
  setPill(element, status);
  return element;
}

export function setPill(element, status) {
  setData(element, "status", status);
  setData(element.firstElementChild, "status", status);
  setText(element.lastElementChild, WORDS[status] ?? status);
}

// A sentence above the page's content.
import { el } from "./dom.js";

export function showNotice({ text, kind = "" }) {
  const line = el("p", { class: "notice", role: "status", text });
  line.dataset.kind = kind;
  document.querySelector("[data-part=notice]").replaceChildren(line);
  if (kind === "critical") document.querySelector("[data-loading]")?.remove();
}

// The button that compacts the store, and what came of it.
import { el, setText } from "./dom.js";

export function mount(root, state, send) {
  const button = el("button", { class: "button", type: "button", "data-writes": true, text: "Compact now" });
  const outcome = el("p", { class: "notice", role: "status", hidden: true });
  root.append(button, outcome);
  const tell = (text, kind) => {
    setText(outcome, text);
    outcome.dataset.kind = kind;
    outcome.hidden = false;
  };
  button.addEventListener("click", () => {
    button.disabled = true;
    tell("The store is being compacted: about a minute for a gigabyte.", "");
    send({ action: "compact" });
  });
  return ({ error, done }) => {
    button.disabled = false;
    tell(error ?? done, error ? "critical" : "");
  };
}

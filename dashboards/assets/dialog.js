// Questions before a token is replaced or a host deleted, in the browser's own modal dialog.
import { el } from "./dom.js";

const QUESTIONS = {
  rotate: {
    title: (name) => `Rotate the token of ${name}?`,
    text: "The old token stops working at once, and the host is offline until its agent has the new one.",
    button: "Rotate token",
  },
  delete: {
    title: (name) => `Delete ${name}?`,
    text: "Its token stops working at once, and it leaves every page.",
    button: "Delete host",
  },
};

export function askFirst({ action, name }, act) {
  const question = QUESTIONS[action];
  const keep = action === "delete" ? historyChoice() : null;
  const cancel = el("button", { class: "button", type: "button", text: "Cancel", autofocus: true });
  const confirm = el("button", { class: `button ${action === "delete" ? "danger" : "primary"}`, type: "submit", text: question.button });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "question", text: question.title(name) }),
    el("p", { text: question.text }),
    ...(keep ? [keep] : []),
    el("div", { class: "dialog-buttons" }, cancel, confirm),
  );
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "question", "data-action": action }, form);
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", () => act({ action, name, keep_history: form.elements.history?.value !== "delete" }));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function historyChoice() {
  const option = (value, label, isChosen) =>
    el("label", { class: "choice" }, el("input", { type: "radio", name: "history", value, checked: isChosen }), el("span", { text: label }));
  return el(
    "fieldset",
    {},
    el("legend", { text: "What happens to its history?" }),
    option("keep", "Keep it for looking back", true),
    option("delete", "Delete it as well; this cannot be undone", false),
  );
}

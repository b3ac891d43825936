// A new token with the command that installs the agent. It is kept nowhere: a reload takes it away.
import { el } from "./dom.js";

export function showToken(place, { name, token, command, note }, action) {
  const title = action === "rotate" ? `New token of ${name}` : `${name} was added`;
  const close = el("button", { class: "button", type: "button", text: "Done" });
  close.addEventListener("click", () => place.replaceChildren());
  const box = el(
    "section",
    { class: "panel new-token", "data-role": "new-token", tabindex: "-1", "aria-label": title },
    el("h2", { text: title }),
    el("p", { text: "Copy the token now: it is shown this once and cannot be read again." }),
    ...copied("Token", token, "token"),
    ...copied(action === "rotate" ? "To install the agent anew, run this on the host" : "Run this on the host; it asks for the token", command, "command"),
    ...(note ? [el("p", { class: "hint", "data-role": "reach-note", text: note })] : []),
    el("div", { class: "dialog-buttons" }, close),
  );
  place.replaceChildren(box);
  box.focus({ preventScroll: true });
  box.scrollIntoView({ block: "nearest" });
}

function copied(label, text, role) {
  const code = el("code", { text, "data-role": role, tabindex: "0" });
  const button = el("button", { class: "button small", type: "button", text: "Copy", "aria-label": `Copy the ${role}` });
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text, code)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return [el("h3", { text: label }), el("div", { class: "copy-row" }, code, button)];
}

// Without TLS the browser offers no clipboard: then the text is selected, and an older way is tried.
async function copy(text, code) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

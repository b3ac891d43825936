// Brings the parts of a page to life, gives them the server's messages, and lets them send their own.
import { startAlertCount } from "./alert-count.js";
import { startClock } from "./clock.js";
import { startLink } from "./link.js";
import { showNotice } from "./notice.js";

const queues = (window.proxmonQueues ??= { inbox: [], outbox: [] });
const receivers = new Map();

function send(message) {
  queues.outbox.push(message);
  document.dispatchEvent(new Event("proxmon:outbox"));
}

function deliver() {
  for (const message of queues.inbox.splice(0)) {
    receivers.get(message.to)?.(message);
  }
}

async function mount(root) {
  const script = root.querySelector(":scope > script");
  const state = script ? JSON.parse(script.textContent) : {};
  script?.remove();
  const module = await import(`./${root.dataset.module}`);
  receivers.set(root.dataset.part, module.mount(root, state, send));
}

function switchTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("proxmon-theme", theme);
  } catch {
    // the choice then lasts as long as the page
  }
}

// "/" goes to the page's search field, as in many programs.
function focusSearch(event) {
  const isTyping = event.target.closest?.("input, textarea, select, dialog");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector("input[type=search]");
  if (field) {
    event.preventDefault();
    field.focus();
  }
}

startClock();
receivers.set("link", startLink());
receivers.set("alert-count", startAlertCount());
receivers.set("notice", showNotice);
receivers.set("leave", (message) => location.assign(document.getElementById("shell").dataset.prefix + message.address));
document.querySelector("[data-action=theme]").addEventListener("click", switchTheme);
document.addEventListener("keydown", focusSearch);
document.addEventListener("proxmon:inbox", deliver);
await Promise.all([...document.querySelectorAll("[data-module]")].map(mount));
document.documentElement.dataset.ready = "yes";
deliver();

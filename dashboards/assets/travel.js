// Time travel: sets the moment in the page's address, and keeps what else stands there, such as a search.
import { now } from "./clock.js";
import { isPast } from "./dom.js";

const EARLIEST = Date.UTC(2000, 0, 1) / 1000;

export function mount(root) {
  const form = root.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // The field has no zone; every time on these pages is UTC.
    go(form, Date.parse(`${form.elements.at.value}Z`) / 1000);
  });
  form.addEventListener("toggle", ({ newState }) => newState === "open" && open(form));
  for (const step of document.querySelectorAll("[data-travel]")) {
    step.addEventListener("click", (event) => {
      event.preventDefault();
      if (step.dataset.travel === "live") show(null);
      else go(form, now() + Number(step.dataset.travel));
    });
  }
  for (const step of document.querySelectorAll("[data-travel^='3'], [data-travel^='8']")) step.hidden = !isPast();
  // What a moment is shown from is known once it is loaded.
  const line = document.querySelector("[data-role=resolution]");
  return ({ words }) => {
    line.textContent = words;
    line.hidden = false;
  };
}

const text = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19);

function open(form) {
  form.elements.at.value = text(now());
  form.querySelector("[role=alert]").hidden = true;
  form.elements.at.focus();
}

function go(form, seconds) {
  const problem = whyNot(seconds);
  if (!problem) return show(seconds);
  if (isPast() && seconds > present()) return show(null);
  const line = form.querySelector("[role=alert]");
  line.textContent = problem;
  line.hidden = false;
}

function whyNot(seconds) {
  if (!Number.isFinite(seconds)) return "Pick a day and a time.";
  if (seconds < EARLIEST) return "Pick a moment after the year 1999.";
  return seconds > present() ? "That moment has not come yet." : "";
}

// A past page's own clock stands still.
function present() {
  return Number(document.getElementById("shell").dataset.serverTime) + performance.now() / 1000;
}

function show(seconds) {
  const address = new URL(location.href);
  if (seconds === null) address.searchParams.delete("at");
  else address.searchParams.set("at", `${text(seconds)}Z`);
  address.searchParams.delete("missing");
  location.assign(address.href.replaceAll("%3A", ":"));
}

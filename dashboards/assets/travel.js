// Time travel: sets the moment in the page's address, and keeps what else stands there, such as a search.
import { now } from "./clock.js";
import { isPast } from "./dom.js";

const EARLIEST = Date.UTC(2000, 0, 1) / 1000;
const KEYS = { p: "previous", n: "next", l: "live" };

export function mount(root, _, send) {
  const form = root.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // The field has no zone; every time on these pages is UTC.
    go(form, Date.parse(`${form.elements.at.value}Z`) / 1000);
  });
  form.addEventListener("toggle", ({ newState }) => (newState === "open" ? open(form) : say(form, "")));
  for (const step of document.querySelectorAll("[data-travel]")) {
    step.addEventListener("click", (event) => {
      event.preventDefault();
      if (step.dataset.travel === "live") show(null);
      else go(form, now() + Number(step.dataset.travel));
    });
  }
  for (const step of document.querySelectorAll("[data-travel^='3'], [data-travel^='8']")) step.hidden = !isPast();
  const leap = (step) => (step === "next" && !isPast() ? null : send({ to: "travel", step }));
  for (const button of document.querySelectorAll("[data-leap]")) button.addEventListener("click", () => leap(button.dataset.leap));
  document.addEventListener("keydown", (event) => {
    const step = isForUs(event) && KEYS[event.key];
    if (step === "live") isPast() && show(null);
    else if (step) leap(step);
  });
  const banner = document.querySelector(".past");
  // What sticks below the banner has to know its height, which grows with its words.
  if (banner) new ResizeObserver(() => document.documentElement.style.setProperty("--past-height", `${banner.offsetHeight}px`)).observe(banner);
  return (answer) => land(form, answer);
}

// Letters are for whoever types, and for the browser when they come with other keys.
function isForUs({ target, ctrlKey, metaKey, altKey }) {
  return !ctrlKey && !metaKey && !altKey && !target.closest?.("input, textarea, select, dialog, [contenteditable]");
}

// What a moment is shown from is known once it is loaded.
function tellResolution(words) {
  const line = document.querySelector("[data-role=resolution]");
  line.textContent = words;
  line.hidden = false;
}

function land(form, { at, live, fault, words }) {
  if (words) return tellResolution(words);
  if (at) return show(at);
  if (live) return show(null);
  if (!form.matches(":popover-open")) form.showPopover();
  say(form, fault);
}

function say(form, fault) {
  const line = form.querySelector("[role=alert]");
  line.textContent = fault;
  line.hidden = !fault;
}

const text = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19);

function open(form) {
  form.elements.at.value = text(now());
  form.elements.at.focus();
}

function go(form, seconds) {
  const problem = whyNot(seconds);
  if (!problem) return show(seconds);
  if (isPast() && seconds > present()) return show(null);
  say(form, problem);
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

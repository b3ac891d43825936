// The server's time in the browser, and the relative times that count on with it.
import { setText } from "./dom.js";
import { span } from "./words.js";

let offset = 0;
let past = null;

export function setServerTime(seconds) {
  offset = seconds - Date.now() / 1000;
}

export function now() {
  return past ?? Date.now() / 1000 + offset;
}

export function ago(since) {
  const seconds = Math.max(0, now() - since);
  return seconds < 1 ? "now" : `${span(seconds)} ago`;
}

export function showTime(element, since, form = "ago") {
  element.dataset.since = since ?? "";
  element.dataset.form = form;
  if (since == null) return setText(element, form === "ago" ? "never" : "–");
  element.title = new Date(since * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC";
  count(element);
}

function count(element) {
  const since = Number(element.dataset.since);
  setText(element, element.dataset.form === "span" ? span(Math.max(0, now() - since)) : ago(since));
}

export function countAll(root = document) {
  for (const element of root.querySelectorAll("[data-since]")) {
    if (!element.dataset.since) continue;
    if (!element.title) showTime(element, Number(element.dataset.since), element.dataset.form);
    else count(element);
  }
}

export function startClock() {
  const { serverTime, past: moment } = document.getElementById("shell").dataset;
  setServerTime(Number(serverTime));
  past = moment ? Number(moment) : null;
  countAll();
  setInterval(() => countAll(), 1000);
}

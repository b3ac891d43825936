// One alert: its sentence, and behind it the value, the threshold, what helps, and its timeline.
import { showTime } from "./clock.js";
import { el, hostAddress, hostThen, isPast, setText } from "./dom.js";
import { pill, setPill, shape } from "./status.js";
import { iso } from "./times.js";
import { span } from "./words.js";

export function drawAlert(row, act) {
  const head = {
    pill: pill(row.severity),
    host: el("span", { class: "alert-host" }),
    message: el("span", { class: "alert-message" }),
    marks: el("span", { class: "alert-marks" }),
    time: el("span", { class: "alert-time" }),
  };
  const more = el("div", { class: "alert-more" });
  const summary = el("summary", {}, head.pill, head.host, head.message, head.marks, head.time);
  const details = el("details", {}, summary, more);
  const root = el("li", { "data-role": "alert", "data-alert": row.key }, details);
  const drawn = { root, details, head, more, act };
  details.addEventListener("toggle", () => details.open && fillMore(drawn));
  fillAlert(drawn, row);
  return drawn;
}

export function fillAlert(drawn, row) {
  const { root, head, details } = drawn;
  drawn.row = row;
  root.dataset.severity = row.severity;
  root.dataset.state = row.state;
  root.dataset.rule = row.rule;
  root.dataset.host = row.host;
  setPill(head.pill, row.state === "closed" ? "ok" : row.severity);
  setText(head.pill.lastElementChild, row.state === "closed" ? "Ended" : head.pill.lastElementChild.textContent);
  setText(head.host, row.host || "deleted host");
  setText(head.message, row.message);
  head.marks.replaceChildren(...marks(row).map((text) => el("span", { class: "tag", text })));
  head.time.replaceChildren(...times(row));
  if (details.open) fillMore(drawn);
}

function marks(row) {
  const found = [];
  if (row.flapping) found.push("flapping");
  if (row.silenced != null) found.push("silenced");
  if (row.state === "acknowledged") found.push(`known to ${row.acknowledged.by}`);
  return found;
}

function times(row) {
  const moment = el("time");
  if (row.state === "closed") {
    showTime(moment, row.closed);
    return [moment, el("span", { class: "muted", text: ` · lasted ${span(row.closed - row.began)}` })];
  }
  showTime(moment, row.began, "span");
  return ["for ", moment];
}

function fillMore(drawn) {
  const { row, more } = drawn;
  const facts = el("dl", { class: "facts" });
  fact(facts, "Rule", row.label);
  if (row.measured) fact(facts, "Measured", row.measured);
  if (row.threshold) fact(facts, "Threshold", row.threshold);
  if (row.clears_when && row.state !== "closed") fact(facts, "What helps", commands(row.clears_when), "full");
  if (row.acknowledged && row.state === "acknowledged") fact(facts, "Acknowledged", acknowledgement(row.acknowledged), "full");
  more.replaceChildren(facts, el("h3", { text: "Timeline" }), el("ol", { class: "moments" }, ...row.events.map((event) => momentOf(row, event))), ...actions(drawn));
}

function actions({ row, act }) {
  const found = [];
  if (row.is_linked) found.push(el("a", { class: "button small", href: hostAddress(row.host), text: `Open ${row.host}` }));
  if (!isPast() && row.state === "open") found.push(button("Acknowledge…", () => act("acknowledge", row)));
  if (!isPast() && row.state === "acknowledged") found.push(button("Take acknowledgement back", () => act("unacknowledge", row)));
  if (!isPast() && row.state !== "closed") found.push(button("Silence…", () => act("silence", row)));
  return found.length ? [el("div", { class: "alert-actions" }, ...found)] : [];
}

function button(text, act) {
  const made = el("button", { class: "button small", type: "button", text });
  made.addEventListener("click", act);
  return made;
}

function fact(list, label, value, kind = "") {
  const text = typeof value === "string" ? [value] : value;
  list.append(el("div", { class: kind }, el("dt", { text: label }), el("dd", {}, ...text)));
}

function acknowledgement({ by, reason, until }) {
  const end = until ? `, until ${iso(until).replace("T", " ").replace("Z", " UTC")}` : ", until it gets worse";
  return `by ${by}${end}${reason ? `: ${reason}` : ""}`;
}

// What stands between backticks is a command.
function commands(text) {
  return text.split("`").map((piece, index) => (index % 2 ? el("code", { text: piece }) : piece));
}

function momentOf(row, event) {
  const time = el("time", { text: iso(event.at).replace("T", " ").replace("Z", " UTC") });
  const when = row.is_linked ? el("a", { href: hostThen(row.host, iso(event.at)), title: `${row.host} at that moment` }, time) : time;
  const what = el("span", {}, el("b", { text: event.title }), event.by ? ` by ${event.by}` : "", event.words ? `: ${event.words}` : "");
  return el("li", { "data-kind": event.kind }, shape(event.kind === "closed" ? "ok" : event.severity), when, what);
}

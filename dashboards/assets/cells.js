// How the values of a keyed table's columns are shown and compared, by the column's kind.
import { showTime } from "./clock.js";
import { byName, el, hostAddress, setText } from "./dom.js";
import { pill, shape } from "./status.js";
import { bytes, day, percent, span, UNKNOWN, whole } from "./words.js";

const text = (cell, value) => setText(cell, value == null || value === "" ? UNKNOWN : String(value));
const shown = (form) => (cell, value) => setText(cell, value == null ? UNKNOWN : form(value));

function name(cell, value, row) {
  const marks = [row.template && "template", row.lock].filter(Boolean);
  cell.replaceChildren(el("span", { class: "row-name", text: value }), ...marks.map(tag));
}

function tag(word) {
  return el("span", { class: "tag", text: word });
}

function path(cell, value) {
  const cut = value.lastIndexOf("/") + 1;
  cell.replaceChildren(el("span", { class: "muted", text: value.slice(0, cut) }), el("span", { class: "row-name", text: value.slice(cut) }));
  cell.title = value;
}

function host(cell, value) {
  if (cell.textContent !== value) cell.replaceChildren(el("a", { href: hostAddress(value), text: value }));
}

const GUEST_TYPES = { qemu: "VM", lxc: "CT" };
const TYPE_TITLES = { qemu: "qemu: virtual machine", lxc: "lxc: container" };

function guestType(cell, value) {
  setText(cell, GUEST_TYPES[value] ? `${GUEST_TYPES[value]}` : value || UNKNOWN);
  cell.title = TYPE_TITLES[value] ?? "";
}

function runState(cell, value) {
  const state = value ?? "unknown";
  if (cell.textContent === state) return;
  cell.replaceChildren(el("span", { class: "run-state", "data-state": state }, el("i", { "aria-hidden": "true" }), el("span", { text: state })));
}

function share(cell, value, row) {
  if (value == null) return setText(cell, row.memory_all ? bytes(row.memory_all) : UNKNOWN);
  const fill = el("i");
  fill.style.width = `${value}%`;
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, fill);
  const words = el("span", { text: `${bytes(row.memory_used)} of ${bytes(row.memory_all)}` });
  cell.replaceChildren(el("span", { class: "share" }, bar, words));
}

function list(cell, values) {
  if (values == null) return setText(cell, "not known");
  cell.replaceChildren(...values.flatMap((value, index) => [index ? ", " : "", el("span", { class: "whole", text: value })]));
  if (!values.length) setText(cell, "none");
}

function age(cell, value) {
  const time = cell.querySelector("time") ?? cell.appendChild(el("time"));
  showTime(time, value);
  if (value == null) setText(time, UNKNOWN);
}

function judgedAge(cell, value, row) {
  cell.replaceChildren();
  if (row.verdict === "warning" || row.verdict === "critical") cell.append(shape(row.verdict));
  cell.dataset.verdict = row.verdict;
  age(cell, value);
}

function actions(cell, value, row, send) {
  if (cell.childElementCount) return;
  for (const [action, label] of [["rotate", "Rotate token"], ["delete", "Delete"]]) {
    const button = el("button", { class: "button small", type: "button", text: label, "data-action": action, "aria-label": `${label}: ${row.name}` });
    button.addEventListener("click", () => send({ action, name: row.name }));
    cell.append(button);
  }
}

export const CELLS = {
  text,
  number: text,
  count: shown(whole),
  bytes: shown(bytes),
  percent: shown(percent),
  span: shown(span),
  day: shown(day),
  name,
  path,
  host,
  "guest-type": guestType,
  "run-state": runState,
  share,
  list,
  tags: (cell, values) => cell.replaceChildren(...values.map(tag)),
  status: (cell, value) => cell.firstElementChild?.dataset.status === value || cell.replaceChildren(pill(value)),
  age,
  "judged-age": judgedAge,
  actions,
};

// What is not known comes last in ascending order.
export function compare({ key }, one, other) {
  const [first, second] = [one[key], other[key]];
  if (first == null || second == null) return (first == null) - (second == null);
  return typeof first === "number" ? first - second : byName.compare(String(first), String(second));
}

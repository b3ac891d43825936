// What is asked before an alert is acknowledged or something is silenced: why, and until when.
import { el } from "./dom.js";
import { now } from "./clock.js";
import { iso } from "./times.js";

const SPANS = [
  ["3600", "1 hour"],
  ["14400", "4 hours"],
  ["86400", "1 day"],
  ["604800", "1 week"],
];

export function askAcknowledge(row, send) {
  const reason = field("reason", "Why (you may leave this out)", { maxlength: 200, placeholder: "Disk is ordered" });
  const end = choice("span", "Until", [["", "it ends or gets worse"], ...SPANS]);
  ask("Acknowledge this alert?", `${row.host}: ${row.message}. Nobody is told again until it gets worse.`, [reason, end], "Acknowledge", (form) =>
    send({ action: "acknowledge", id: row.key, reason: form.reason.value, until: until(form.span.value) }),
  );
}

export function askSilence({ rules, row }, send) {
  const scopes = row ? scopesOf(row) : [];
  const fields = row ? [choice("scope", "What", scopes.map(([label], index) => [String(index), label]))] : patternFields(rules);
  const end = choice("span", "Until", [...SPANS, ["", "somebody ends it"]]);
  const hours = row ? [] : [field("hours", "Only in these hours of the week (leave empty for always)", { placeholder: "sat,sun 22:00-06:00 Europe/Berlin", maxlength: 100 })];
  const reason = field("reason", "Why (you may leave this out)", { maxlength: 200, placeholder: "Maintenance" });
  ask(row ? "Silence what?" : "New silence or maintenance window", "It is recorded and shown, and nobody is told.", [...fields, end, ...hours, reason], "Silence", (form) =>
    send({ action: "silence", ...(row ? scopes[Number(form.scope.value)][1] : patterns(form)), hours: form.hours?.value ?? "", until: until(form.span.value), reason: form.reason.value }),
  );
}

function scopesOf(row) {
  const found = [["this alert only", { alert: Number(row.key) }]];
  if (!row.is_linked) return found;
  if (row.subject) found.push([`${row.label} of ${row.subject} on ${row.host}`, { host: row.host, rule: row.rule, subject: row.subject }]);
  return [...found, [`${row.label} on ${row.host}`, { host: row.host, rule: row.rule }], [`everything on ${row.host}`, { host: row.host }]];
}

function patternFields(rules) {
  return [
    field("host", "Hosts (a name or a pattern)", { value: "*", maxlength: 100 }),
    choice("rule", "Rule", [["*", "every rule"], ...Object.entries(rules)]),
    field("subject", "Pool or other subject (a name or a pattern)", { value: "*", maxlength: 100 }),
  ];
}

const patterns = (form) => ({ host: form.host.value, rule: form.rule.value, subject: form.subject.value });
const until = (span) => (span ? iso(Math.round(now() + Number(span))) : "");

export function field(name, label, attributes = {}) {
  return el("label", { class: "dialog-field" }, el("span", { text: label }), el("input", { name, type: "text", class: "input", autocomplete: "off", ...attributes }));
}

export function choice(name, label, options) {
  const select = el("select", { name, class: "input" }, ...options.map(([value, text]) => el("option", { value, text })));
  return el("label", { class: "dialog-field" }, el("span", { text: label }), select);
}

export function ask(title, text, fields, button, act, kind = "primary") {
  const cancel = el("button", { class: "button", type: "button", text: "Cancel" });
  const confirm = el("button", { class: `button ${kind}`, type: "submit", text: button });
  const form = el("form", { method: "dialog" }, el("h2", { id: "question", text: title }), el("p", { text }), ...fields, el("div", { class: "dialog-buttons" }, cancel, confirm));
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "question" }, form);
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", () => act(form.elements));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}


// Asks what to change of one rule, for which hosts and subjects; what is left empty stays as it is.
import { ask, choice, field } from "./alert-dialogs.js";
import { el } from "./dom.js";

const SWITCH = [["", "as it is"], ["true", "yes"], ["false", "no"], ["none", "take my change back"]];
const SEVERITY = [["", "as it is"], ["warning", "warning"], ["critical", "critical"], ["none", "take my change back"]];
const TIMES = [["clear_below", "Ends below"], ["for_samples", "Alert after samples"], ["for_minutes", "and minutes"], ["clear_samples", "End after samples"], ["clear_minutes", "and minutes"]];

export function askRule(rule, host, act) {
  const where = [field("host", "Hosts (a name or a pattern)", { value: host || "*", maxlength: 200 })];
  if (rule.subject) where.push(field("subject", `${upper(rule.subject)} (a name or a pattern)`, { value: "*", maxlength: 200 }));
  const limits = rule.parameters.flatMap(parameterFields(rule));
  const switches = rule.can_be_off ? [choice("on", "Judges", SWITCH), choice("severity", "What fails is", SEVERITY)] : [];
  const times = TIMES.map(([key, label]) => number(rule, key, label));
  const pairs = el("div", { class: "rule-fields" }, ...limits, ...switches, choice("alert", "Alerts", SWITCH), ...times);
  const text = "What you leave empty stays as it is. A dash (-) takes a change of yours back.";
  ask(`Change: ${rule.label}`, text, [...where, pairs], "Put into the draft", (fields) => act(wishOf(fields)));
}

const parameterFields = (rule) => ({ key, unit, words }) => [
  ...(words.length ? [choice("policy", "Policy", [["", "as it is"], ...words.map((word) => [word, word])])] : []),
  ...(isSwitch(rule, key) ? [choice(key, upper(key), SWITCH)] : [number(rule, key, `${upper(parameterName(key))}${unit ? `, ${unit}` : ""}`)]),
];

// A parameter's key in words, without the unit, which is shown beside it.
export const parameterName = (key) => key.replaceAll("_", " ").replace(/ (percent|days|hours|seconds|celsius)$/, "");

const held = (rule, key) => rule.values.find((one) => one.key === key && !one.subject)?.value;
const isSwitch = (rule, key) => typeof held(rule, key) === "boolean";
const number = (rule, key, label) => field(key, label, { inputmode: "decimal", placeholder: String(held(rule, key) ?? ""), maxlength: 12 });
const upper = (text) => (text[0].toUpperCase() + text.slice(1)).replaceAll("_", " ");

// `fields` are the form's elements, as a browser lists them.
function wishOf(fields) {
  const values = {};
  for (const input of fields) {
    if (!input.name || input.name === "host" || input.name === "subject" || input.value.trim() === "") continue;
    values[input.name] = valueOf(input.value.trim());
  }
  return { host: fields.host.value, subject: fields.subject?.value ?? "", values };
}

// What is no number goes to the server as it is, which says what to write instead.
function valueOf(text) {
  if (text === "-" || text === "none") return null;
  if (text === "true" || text === "false") return text === "true";
  const found = Number(text.replace(",", "."));
  return Number.isFinite(found) ? found : text;
}

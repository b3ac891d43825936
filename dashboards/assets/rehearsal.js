// What edited rules would have done, beside what the present ones do on the same samples.
import { el, hostThen } from "./dom.js";
import { shape } from "./status.js";
import { iso } from "./times.js";
import { count } from "./words.js";

const CHANGES = { new: "New", gone: "Gone", other: "Other" };
const MOST = 50;

export function drawRehearsal(told) {
  const changed = told.alerts.filter(({ change }) => change !== "same");
  const same = told.alerts.length - changed.length;
  const head = changed.length ? `${count(changed.length, "alert")} would have been different` : "Nothing would have been different";
  const rows = changed.slice(0, MOST).map(draw);
  const more = changed.length > MOST ? [el("p", { class: "muted", text: `and ${changed.length - MOST} more` })] : [];
  return [
    el("h3", { text: head }),
    el("dl", { class: "rehearsal-sides" }, ...side("Present rules", told.present, told), ...side("Your draft", told.edited, told)),
    el("ul", { class: "rehearsal-rows" }, ...rows),
    ...more,
    el("p", { class: "muted", text: [same ? `${count(same, "alert")} would have been the same.` : "", ...span(told)].filter(Boolean).join(" ") }),
  ];
}

function side(label, { count: number, critical, hosts, seconds }) {
  const words = number ? `${count(number, "alert")} on ${count(hosts, "host")}, ${critical} critical, ${lasted(seconds)} in all` : "no alert";
  return [el("div", {}, el("dt", { text: label }), el("dd", { text: words }))];
}

function draw(row) {
  const was = row.change === "other" ? `was ${row.was.severity}, ${day(row.was.opened_at)}, for ${lasted(row.was.seconds)}` : "";
  const when = el("a", { href: hostThen(row.host, iso(Math.round(row.opened_at))), text: day(row.opened_at) });
  const words = [row.label, row.subject, row.message].filter(Boolean).join(" · ");
  return el(
    "li",
    { "data-change": row.change },
    el("b", { class: "rehearsal-change", text: CHANGES[row.change] }),
    shape(row.severity),
    el("span", {}, el("b", { text: row.host }), ` ${words}`, el("small", {}, when, ` for ${lasted(row.seconds)}${row.closed_at ? "" : ", and still open"}`, was ? ` (${was})` : "")),
  );
}

function span({ since, until, first_at, full_since, samples, step_seconds, is_cut }) {
  if (!samples) return ["There are no samples of that time."];
  const began = Math.max(first_at, since);
  return [
    `Played: ${samples.toLocaleString("en")} samples from ${day(began)} to ${day(until)} UTC.`,
    step_seconds ? `One sample of each host every ${lasted(step_seconds)}.` : "",
    full_since > began + 3600 ? `Before ${day(full_since)} one sample an hour and those at changes were kept: shorter faults between them are not seen.` : "",
    is_cut ? "Then the time for a rehearsal was up." : "",
  ];
}

const day = (seconds) => iso(Math.round(seconds)).slice(0, 16).replace("T", " ");

function lasted(seconds) {
  if (seconds >= 2 * 86400) return `${Math.round(seconds / 86400)} d`;
  if (seconds >= 2 * 3600) return `${Math.round(seconds / 3600)} h`;
  return seconds >= 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
}

// The page of rules: what holds, an editor for the owner's own, and their rehearsal before they are saved.
import { el, setText } from "./dom.js";
import { drawRehearsal } from "./rehearsal.js";
import { askRule, parameterName } from "./rule-dialog.js";
import { count } from "./words.js";

const CHECK_AFTER = 400;

export function mount(root, state, send) {
  const page = new RulesPage(root, state, send);
  return (message) => page.receive(message);
}

class RulesPage {
  constructor(root, state, send) {
    this.send = send;
    this.state = state;
    this.open = new Set();
    this.rehearsed = null;
    this.build(root);
    this.editor.value = state.text;
    this.show(state);
  }

  build(root) {
    this.sub = el("p", { class: "sub" });
    this.host = el("select", { class: "input", "aria-label": "Show what holds on" });
    this.host.addEventListener("change", () => this.send({ action: "show", host: this.host.value }));
    const tools = el("div", { class: "head-tools" }, this.host);
    const head = el("header", { class: "page-head" }, el("div", {}, el("h1", { text: "Rules" }), this.sub), tools);
    this.broken = el("p", { class: "notice", "data-kind": "critical", role: "alert", hidden: true });
    this.outcome = el("p", { class: "notice", role: "status", hidden: true });
    this.list = el("ul", { class: "alerts rules", "data-role": "rule-list" });
    root.append(head, this.broken, this.outcome, el("div", { class: "rules-layout" }, this.list, this.draft()));
  }

  draft() {
    this.editor = el("textarea", { class: "input rules-editor", id: "rules-text", spellcheck: "false", autocapitalize: "none", rows: 14, "aria-labelledby": "h-own", placeholder: "# every rule as by default", "aria-describedby": "rules-check" });
    this.editor.addEventListener("input", () => this.edited());
    this.check = el("div", { class: "rules-check", id: "rules-check", role: "status" });
    this.days = el("select", { class: "input", "aria-label": "How many days to rehearse" }, ...[7, 30].map((days) => el("option", { value: days, text: `last ${days} days` })));
    this.days.addEventListener("change", () => this.edited());
    this.rehearse = this.button("Rehearse", "rehearse", () => this.begin());
    this.save = this.button("Save", "save", () => this.ask("save"));
    this.discard = this.button("Discard changes", "discard", () => this.replace(this.state.text));
    this.result = el("div", { class: "rehearsal", "data-role": "rehearsal", "aria-live": "polite" });
    return el(
      "section",
      { class: "panel rules-draft", "aria-labelledby": "h-own", "data-writes": true },
      el("h2", { id: "h-own", text: "Your own rules" }),
      el("p", { class: "panel-sub", text: "The file rules.toml. Change a rule from the list, or write here; nothing holds before it is saved." }),
      this.editor,
      this.check,
      el("div", { class: "rules-buttons" }, this.days, this.rehearse, this.save, this.discard),
      this.result,
    );
  }

  button(text, action, act) {
    const button = el("button", { class: "button", type: "button", text, "data-action": action });
    button.addEventListener("click", act);
    return button;
  }

  receive({ state, answer }) {
    if (state) this.take(state);
    if (answer) this.answer(answer);
  }

  // Somebody else's change replaces the draft only where nothing was drafted.
  take(state) {
    const isDrafted = this.editor.value !== this.state.text;
    this.show(state);
    if (!isDrafted) this.replace(state.text);
    else this.arrange();
  }

  answer({ action, text, state, problems, error, done, draft, told, count: entries }) {
    this.isWaiting = false;
    if (state) return this.show(state);
    if (draft != null) return this.replace(draft, true);
    if (action === "check" && text !== this.editor.value) return;
    if (problems) this.judge(problems);
    else if (error) this.judge([error]);
    else if (action === "check") this.judge([], entries);
    if (told) this.tell(told, text);
    if (done) {
      this.rehearsed = null;
      this.result.replaceChildren();
      setText(this.outcome, done);
      this.outcome.hidden = false;
    }
    this.arrange();
  }

  ask(action, more = {}) {
    this.outcome.hidden = true;
    this.isWaiting = true;
    this.send({ action, text: this.editor.value, ...more });
    this.arrange();
  }

  begin() {
    this.result.replaceChildren(el("p", { class: "muted", text: "Playing the stored samples to both…" }));
    this.ask("rehearse", { days: Number(this.days.value) });
  }

  edited() {
    this.rehearsed = null;
    this.outcome.hidden = true;
    this.result.replaceChildren();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send({ action: "check", text: this.editor.value }), CHECK_AFTER);
    this.arrange();
  }

  replace(text, isShown = false) {
    this.editor.value = text;
    this.edited();
    if (!isShown) return;
    this.editor.focus();
    this.editor.scrollIntoView({ block: "nearest" });
  }

  judge(problems, entries) {
    this.problems = problems;
    const words = entries ? `${count(entries, "entry", "entries")}, all of which can be used.` : "Without entries, every rule is as by default.";
    const lines = problems.length ? problems.map((text) => el("li", { text })) : [];
    this.check.replaceChildren(lines.length ? el("ul", { class: "problems" }, ...lines) : el("p", { class: "muted", text: words }));
    if (problems.length) this.result.replaceChildren();
  }

  tell(told, text) {
    if (text !== this.editor.value) return;
    this.rehearsed = text;
    this.result.replaceChildren(...drawRehearsal(told));
  }

  arrange() {
    const isChanged = this.editor.value !== this.state.text;
    this.rehearse.disabled = this.isWaiting || !isChanged || Boolean(this.problems?.length);
    this.save.disabled = this.isWaiting || this.rehearsed !== this.editor.value || !isChanged;
    this.save.title = this.save.disabled && isChanged ? "Rehearse first" : "";
    this.discard.hidden = !isChanged;
    this.rehearse.classList.toggle("primary", this.save.disabled);
    this.save.classList.toggle("primary", !this.save.disabled);
  }

  show(state) {
    this.state = state;
    this.broken.hidden = state.problems.length === 0;
    setText(this.broken, `The file cannot be used, and the rules before it hold: ${state.problems.join(" ")}`);
    const own = state.rules.filter(({ entries }) => entries).length;
    setText(this.sub, `${count(state.rules.length, "rule")}, ${own ? `${own} with changes of yours` : "all as by default"}.`);
    const options = [["", "For the whole fleet"], ...state.hosts.map((name) => [name, `On ${name}`])];
    this.host.replaceChildren(...options.map(([value, text]) => el("option", { value, text, selected: value === state.host })));
    this.list.replaceChildren(...state.rules.map((rule) => this.draw(rule)));
    this.arrange();
  }

  draw(rule) {
    const isOn = valueOf(rule, "on");
    const alerts = valueOf(rule, "alert");
    const state = !isOn ? "off" : alerts ? "on" : "light only";
    const details = el("details", { open: this.open.has(rule.name) });
    details.addEventListener("toggle", () => this.open[details.open ? "add" : "delete"](rule.name));
    const tags = rule.values.some(({ own }) => own) ? [el("span", { class: "tag", text: "yours" })] : [];
    details.append(
      el("summary", {}, el("span", { class: "rule-name" }, el("b", { text: rule.label }), ...tags), el("span", { class: "rule-words", text: thresholds(rule) }), el("span", { class: "rule-state", "data-state": state, text: state })),
      this.more(rule),
    );
    return el("li", { "data-rule": rule.name, "data-on": String(isOn) }, details);
  }

  more(rule) {
    const change = this.button("Change…", "change", () => askRule(rule, this.state.host, (wish) => this.send({ action: "put", text: this.editor.value, rule: rule.name, ...wish })));
    change.toggleAttribute("data-writes", true);
    const rows = rule.values.map((one) =>
      el("tr", { "data-own": String(one.own) }, el("th", { scope: "row" }, el("code", { text: one.key }), ...(one.subject ? [el("span", { class: "tag", text: one.subject })] : [])), el("td", { text: plain(one.value) }), el("td", { text: one.origin })),
    );
    const table = el("table", { class: "rule-values" }, el("thead", {}, el("tr", {}, ...["Key", "Value", "From"].map((text) => el("th", { scope: "col", text })))), el("tbody", {}, ...rows));
    return el("div", { class: "rule-more" }, el("p", { class: "muted" }, el("code", { text: rule.name })), table, change);
  }
}

const valueOf = (rule, key) => rule.values.find((one) => one.key === key && !one.subject)?.value;
const plain = (value) => (value === true ? "yes" : value === false ? "no" : String(value));

function thresholds(rule) {
  const words = rule.parameters.map(({ key, unit }) => `${parameterName(key)} ${plain(valueOf(rule, key))}${unit ? ` ${unit}` : ""}`);
  return words.join(", ");
}

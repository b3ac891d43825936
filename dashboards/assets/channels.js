// Channels: where alerts are told. An address is sent to the server and never comes back.
import { ask, choice, field } from "./alert-dialogs.js";
import { address, el, setText } from "./dom.js";
import { shape } from "./status.js";
import { iso } from "./times.js";
import { count } from "./words.js";

const SEVERITIES = [
  ["warning", "warnings and critical alerts"],
  ["critical", "critical alerts only"],
];
const HINT = "As Apprise writes it: ntfys://ntfy.example/topic, mailto://user:password@mail.example, json://hooks.example/path … It is stored and never shown again.";

export function mount(root, state, send) {
  const page = new Channels(root, state, send);
  return (message) => page.receive(message);
}

class Channels {
  constructor(root, { rows, note }, send) {
    this.send = send;
    this.rows = new Map(rows.map((row) => [row.key, row]));
    this.build(root, note);
    this.show();
  }

  build(root, note) {
    this.sub = el("p", { class: "sub" });
    const add = el("button", { class: "button primary", type: "button", "data-action": "add", "data-writes": true, text: "Add channel…" });
    add.addEventListener("click", () => this.askAdd());
    const back = el("a", { class: "button", href: address("/alerts"), text: "Alerts" });
    const tools = el("div", { class: "head-tools" }, back, add);
    this.outcome = el("p", { class: "notice", role: "status", hidden: true });
    this.list = el("ul", { class: "channel-list panel" });
    const [title, text] = ["Nobody is told yet", "A channel is where alerts are told: mail, ntfy, Telegram, Discord, Slack, Matrix, Gotify, a webhook, and more."];
    this.empty = el("div", { class: "empty" }, el("h2", { text: title }), el("p", { text }));
    root.append(
      el("header", { class: "page-head" }, el("div", {}, el("h1", { text: "Channels" }), this.sub), tools),
      el("p", { class: "notice", hidden: !note, text: note }),
      this.outcome,
      this.list,
      this.empty,
    );
  }

  receive({ put = [], remove = [], answer }) {
    if (answer) return this.tell(answer);
    for (const key of remove) this.rows.delete(key);
    for (const fields of put) this.rows.set(fields.key, { ...this.rows.get(fields.key), ...fields });
    this.show();
  }

  tell({ done, error }) {
    this.busy = "";
    setText(this.outcome, error || done);
    this.outcome.dataset.kind = error ? "critical" : "";
    this.outcome.hidden = false;
    this.show();
  }

  show() {
    const rows = [...this.rows.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
    setText(this.sub, summary(rows));
    this.empty.hidden = rows.length > 0;
    this.list.hidden = rows.length === 0;
    const focused = document.activeElement?.dataset.focus;
    this.list.replaceChildren(...rows.map((row) => this.draw(row)));
    if (focused) this.list.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  draw(row) {
    const turn = row.paused ? "resume" : "pause";
    const buttons = [
      this.button("test", this.busy === row.key ? "Testing…" : "Test", row, () => this.test(row)),
      this.button(turn, row.paused ? "Resume" : "Pause", row, () => this.send({ action: turn, name: row.key })),
      this.button("change", "Change…", row, () => this.askChange(row)),
      this.button("delete", "Delete…", row, () => this.askDelete(row)),
    ];
    buttons[0].disabled = this.busy === row.key;
    return el(
      "li",
      { "data-role": "channel", "data-name": row.key, ...(row.paused ? { "data-paused": "" } : {}) },
      el("div", { class: "channel-what" }, el("b", { text: row.key }), ...tags(row)),
      el("p", { class: "channel-tells", text: tells(row) }),
      el("p", { class: "channel-state" }, shape(mark(row)), el("span", { text: state(row) })),
      el("div", { class: "channel-actions", "data-writes": true }, ...buttons),
    );
  }

  button(action, text, row, act) {
    const names = { "data-action": action, "data-focus": `${action} ${row.key}`, "aria-label": `${text} (${row.key})` };
    const button = el("button", { class: "button small", type: "button", text, ...names });
    button.addEventListener("click", act);
    return button;
  }

  test(row) {
    this.busy = row.key;
    this.outcome.hidden = true;
    this.show();
    this.send({ action: "test", name: row.key });
  }

  askAdd() {
    const name = field("name", "Name", { required: true, maxlength: 63, placeholder: "phone", autocapitalize: "none", spellcheck: "false" });
    ask("Add a channel", "Where alerts are told, which of them, and when.", [name, secret("Address", true), ...choices({})], "Add channel", (form) =>
      this.send({ action: "add", name: form.name.value.trim(), url: form.url.value, ...wishes(form) }),
    );
  }

  askChange(row) {
    const fields = [secret("New address (leave empty to keep the one it has)", false), ...choices(row)];
    ask(`Change ${row.key}`, `${row.service}. Its address is not shown.`, fields, "Save", (form) =>
      this.send({ action: "change", name: row.key, url: form.url.value, ...wishes(form) }),
    );
  }

  askDelete(row) {
    const waits = row.waiting ? ` ${count(row.waiting, "alert")} that it is still to tell will not be told.` : "";
    ask(`Delete ${row.key}?`, `Its address goes with it.${waits}`, [], "Delete channel", () => this.send({ action: "delete", name: row.key }), "danger");
  }
}

// What is typed is a secret: nobody reads it over a shoulder, and no browser offers it again.
function secret(label, required) {
  const input = field("url", label, { type: "password", required, maxlength: 2000, spellcheck: "false", autocomplete: "new-password" });
  input.append(el("small", { class: "hint", text: HINT }));
  return input;
}

function choices({ severity, hosts, quiet_hours: quiet, tells_ends: tellsEnds }) {
  const least = choice("severity", "Tells of", SEVERITIES);
  least.querySelector("select").value = severity ?? "warning";
  const ends = el("input", { type: "checkbox", name: "ends", checked: tellsEnds ?? true });
  return [
    least,
    field("hosts", "Hosts (names or patterns, with commas)", { value: hosts ?? "*", maxlength: 200 }),
    field("quiet", "Quiet hours, in which messages wait (empty for none)", { value: quiet ?? "", maxlength: 100, placeholder: "daily 22:00-07:00 Europe/Berlin" }),
    el("label", { class: "choice dialog-check" }, ends, el("span", { text: "Tell also when an alert has ended" })),
  ];
}

function summary(rows) {
  const paused = rows.filter((row) => row.paused).length;
  if (!rows.length) return "Alerts are shown here and told nowhere.";
  if (paused === rows.length) return "Every channel is paused: nobody is told of alerts now.";
  return `Alerts are told through ${count(rows.length - paused, "channel")}${paused ? `; ${paused} more ${paused === 1 ? "is" : "are"} paused` : ""}.`;
}

const tags = (row) => [el("span", { class: "tag", text: row.service }), ...(row.paused ? [el("span", { class: "tag paused", text: "Paused" })] : [])];

const mark = (row) => (row.paused ? "warning" : row.error ? "critical" : row.sent ? "ok" : "unknown");

const minute = (at) => `${iso(at).slice(0, 16).replace("T", " ")} UTC`;

const wishes = (form) => ({ severity: form.severity.value, hosts: form.hosts.value, quiet_hours: form.quiet.value, tells_ends: form.ends.checked });

function tells(row) {
  const hosts = row.hosts === "*" ? "all hosts" : row.hosts;
  const parts = [Object.fromEntries(SEVERITIES)[row.severity], hosts, row.quiet_hours && `quiet ${row.quiet_hours}`, row.tells_ends ? "" : "no ends"];
  return parts.filter(Boolean).join(" · ");
}

function state(row) {
  const waits = row.waiting ? `${count(row.waiting, "alert")} waiting to be told` : "";
  const sent = row.sent ? `last message ${minute(row.sent)}` : "nothing sent since the server started";
  const paused = row.paused && `Paused since ${minute(row.paused)}`;
  return [paused, row.error && `Fails: ${row.error}`, waits, row.error ? "" : sent].filter(Boolean).join(" · ");
}

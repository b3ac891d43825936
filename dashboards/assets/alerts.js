// The page of alerts: three lists of one kind of row, filtered by severity and by text.
import { canNotify, isNotifying, wishNotifications } from "./alert-count.js";
import { askAcknowledge, askSilence } from "./alert-dialogs.js";
import { drawAlert, fillAlert } from "./alert-row.js";
import { AlertStrip } from "./alert-strip.js";
import { el, fold, isPast, pageLink, rememberInAddress, setText } from "./dom.js";
import { searchField } from "./host-grid.js";
import { SilenceList } from "./silences.js";
import { shape, WORDS } from "./status.js";
import { count } from "./words.js";

const STATES = { open: "Open", acknowledged: "Acknowledged", closed: "Ended" };
const SEVERITIES = ["critical", "warning"];
const PAGE = 50;

export function mount(root, state, send) {
  const list = new AlertList(root, state, send);
  return (message) => list.receive(message);
}

class AlertList {
  constructor(root, { rows, note, silences, rules, loading, query, state, severity }, send) {
    this.send = send;
    this.rows = new Map();
    this.drawn = new Map();
    this.limit = PAGE;
    this.isLoading = loading;
    this.query = query;
    this.state = state in STATES ? state : "open";
    this.severity = SEVERITIES.includes(severity) ? severity : "all";
    this.rules = rules;
    this.build(root);
    this.strip = new AlertStrip(root, (row) => this.reveal(row));
    this.silences = new SilenceList(root, silences, send, () => askSilence({ rules }, send));
    this.tellPaused(note);
    this.put(rows);
    this.arrange();
  }

  build(root) {
    this.sub = el("p", { class: "sub" });
    this.field = searchField("Filter alerts", this.query, (text) => this.choose({ query: text }));
    const tools = el("div", { class: "head-tools" }, pageLink("/admin/rules", "Rules"), pageLink("/admin/channels", "Channels"), this.desktopButton(), this.field);
    const head = el("header", { class: "page-head" }, el("div", {}, el("h1", { text: "Alerts" }), this.sub), tools);
    this.tabs = new Map(Object.keys(STATES).map((state) => [state, this.chip(STATES[state], () => this.choose({ state }))]));
    this.chips = new Map(SEVERITIES.map((one) => [one, this.chip(WORDS[one], () => this.choose({ severity: this.severity === one ? "all" : one }), one)]));
    const states = el("div", { class: "chips", role: "group", "aria-label": "Filter by state" }, ...this.tabs.values());
    const severities = el("div", { class: "chips", role: "group", "aria-label": "Filter by severity" }, ...this.chips.values());
    this.list = el("ul", { class: "alerts", "data-role": "alert-list" });
    this.more = el("button", { class: "button", type: "button", text: "Show more" });
    this.more.addEventListener("click", () => this.showMore());
    this.empty = el("div", { class: "empty" });
    this.outcome = el("p", { class: "notice", role: "status", hidden: true });
    this.paused = el("p", { class: "notice", "data-kind": "warning", "data-role": "paused-channels" });
    root.append(head, this.paused, this.outcome, el("div", { class: "alert-filters" }, states, severities), this.list, this.empty, this.more);
  }

  chip(label, act, severity) {
    const chip = el("button", { class: "chip", type: "button" }, ...(severity ? [shape(severity)] : []), el("span", { text: label }), el("b"));
    chip.addEventListener("click", act);
    return chip;
  }

  desktopButton() {
    const button = el("button", { class: "button", type: "button", "data-action": "desktop", hidden: !canNotify() || isPast() });
    const show = (isOn) => {
      setText(button, isOn ? "Notices are on" : "Notify me here");
      button.setAttribute("aria-pressed", String(isOn));
    };
    button.addEventListener("click", async () => {
      const isOn = await wishNotifications(!isNotifying());
      show(isOn);
      if (!isOn && Notification.permission === "denied") setText(button, "Blocked by the browser");
    });
    show(isNotifying());
    return button;
  }

  choose(wish) {
    Object.assign(this, wish);
    this.limit = PAGE;
    const { query, state, severity } = this;
    rememberInAddress({ q: query, state: state === "open" ? "" : state, severity: severity === "all" ? "" : severity });
    this.arrange();
  }

  showMore() {
    this.limit += PAGE;
    this.arrange();
  }

  receive({ put = [], remove = [], silences, note, answer }) {
    if (answer) return this.tell(answer);
    if (silences) this.silences.receive(silences);
    if (note !== undefined) this.tellPaused(note);
    this.isLoading = false;
    for (const key of remove) {
      this.rows.delete(key);
      this.drawn.get(key)?.root.remove();
      this.drawn.delete(key);
    }
    this.put(put);
    this.arrange();
  }

  tellPaused(note) {
    setText(this.paused, note);
    this.paused.hidden = !note;
  }

  tell({ done, error }) {
    setText(this.outcome, error || done);
    this.outcome.dataset.kind = error ? "critical" : "";
    this.outcome.hidden = false;
  }

  act(action, row) {
    if (action === "acknowledge") askAcknowledge(row, this.send);
    else if (action === "silence") askSilence({ rules: this.rules, row }, this.send);
    else this.send({ to: "alerts", action, id: row.key });
  }

  put(rows) {
    for (const fields of rows) {
      const row = { ...this.rows.get(fields.key), ...fields };
      row.folded = fold([row.host, row.label, row.rule, row.message].join(" "));
      this.rows.set(row.key, row);
      const drawn = this.drawn.get(row.key);
      if (drawn) fillAlert(drawn, row);
    }
  }

  arrange() {
    const folded = fold(this.query.trim());
    const found = [...this.rows.values()].filter((row) => row.folded.includes(folded));
    const inState = found.filter((row) => row.state === this.state);
    const shown = inState.filter((row) => this.severity === "all" || row.severity === this.severity).sort(ORDERS[this.state]);
    this.list.replaceChildren(...shown.slice(0, this.limit).map((row) => this.draw(row).root));
    this.more.hidden = shown.length <= this.limit;
    for (const [state, chip] of this.tabs) showChip(chip, found.filter((row) => row.state === state).length, state === this.state);
    for (const [one, chip] of this.chips) showChip(chip, inState.filter((row) => row.severity === one).length, one === this.severity);
    this.strip.show(found.filter((row) => this.severity === "all" || row.severity === this.severity));
    this.describe(shown.length);
  }

  // Opens an alert in the list, in whichever state it is.
  reveal(row) {
    this.choose({ state: row.state });
    this.limit = this.rows.size;
    this.arrange();
    const { root, details } = this.drawn.get(row.key);
    details.open = true;
    root.scrollIntoView({ block: "nearest" });
    details.querySelector("summary").focus();
  }

  draw(row) {
    const known = this.drawn.get(row.key);
    if (known) return known;
    const drawn = drawAlert(row, (action, about) => this.act(action, about));
    this.drawn.set(row.key, drawn);
    return drawn;
  }

  describe(shown) {
    const rows = [...this.rows.values()];
    const open = rows.filter(({ state }) => state === "open").length;
    const past = rows.filter(({ state }) => state === "closed").length;
    const words = `${open ? `${count(open, "alert")} open` : "Nothing is open"}${past ? ` · ${past} ended in the last 30 days` : ""}`;
    setText(this.sub, this.isLoading ? "Looking that moment up…" : words);
    this.list.hidden = shown === 0;
    this.empty.hidden = shown > 0 || this.isLoading;
    if (!this.empty.hidden) this.empty.replaceChildren(...this.nothing(rows));
  }

  nothing(rows) {
    const isFiltered = (this.query || this.severity !== "all") && rows.some(({ state }) => state === this.state);
    if (isFiltered) {
      const reset = el("button", { class: "button", type: "button", text: "Show all" });
      reset.addEventListener("click", () => {
        this.field.querySelector("input").value = "";
        this.choose({ query: "", severity: "all" });
      });
      return [el("p", { text: "No alert matches this filter." }), reset];
    }
    const [title, text] = NOTHING[this.state];
    return [el("h2", { text: title }), el("p", { text })];
  }
}

const NOTHING = {
  open: ["All quiet", "An alert opens when a rule has failed for long enough to be no accident."],
  acknowledged: ["Nothing acknowledged", "Alerts that somebody knows of stay here until they end or get worse."],
  closed: ["None ended", "Alerts stay here for 30 days after they ended; older ones are in the store."],
};

const worstFirst = (one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity) || other.opened - one.opened;
const ORDERS = { open: worstFirst, acknowledged: worstFirst, closed: (one, other) => other.closed - one.closed };

function showChip(chip, number, isPressed) {
  setText(chip.lastElementChild, String(number));
  chip.setAttribute("aria-pressed", String(isPressed));
  chip.toggleAttribute("data-zero", number === 0);
}

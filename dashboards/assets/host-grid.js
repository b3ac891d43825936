// The overview: a keyed grid of cards, the worst first, filtered by text and by status.
import { makeCard, showCard } from "./card.js";
import { address, byName, el, fold, isPast, rememberInAddress, setText } from "./dom.js";
import { Sparklines } from "./sparklines.js";
import { shape, WORDS, WORST_FIRST } from "./status.js";
import { count, whole } from "./words.js";

const CHIPS = ["all", ...WORST_FIRST];

export function mount(root, state, send) {
  const grid = new Grid(root, state, send);
  return (message) => grid.receive(message);
}

class Grid {
  constructor(root, state, send) {
    this.entries = new Map();
    this.sparklines = new Sparklines(send);
    this.query = state.query ?? "";
    this.status = WORST_FIRST.includes(state.status) ? state.status : "all";
    this.isLoading = state.loading;
    this.build(root);
    this.put(state.cards);
    this.arrange();
  }

  build(root) {
    this.sub = el("p", { class: "sub" });
    this.field = searchField("Filter hosts", this.query, (text) => this.filter(text, this.status));
    this.head = el("header", { class: "page-head" }, el("div", {}, el("h1", { text: "Hosts" }), this.sub), this.field);
    this.chips = new Map(CHIPS.map((status) => [status, this.chip(status)]));
    this.group = el("div", { class: "chips", role: "group", "aria-label": "Filter by status" }, ...this.chips.values());
    this.cards = el("div", { class: "cards", "data-role": "host-grid" });
    this.empty = el("div", { class: "empty" });
    this.spoken = el("div", { class: "spoken", role: "status", "aria-live": "polite" });
    root.append(this.head, this.group, this.cards, this.empty, this.spoken);
  }

  chip(status) {
    const label = status === "all" ? "All" : WORDS[status];
    const chip = el("button", { class: "chip", type: "button", "data-filter": status });
    if (status !== "all") chip.append(shape(status));
    chip.append(el("span", { text: label }), el("b"));
    chip.addEventListener("click", () => this.filter(this.query, this.status === status ? "all" : status));
    return chip;
  }

  filter(query, status) {
    this.query = query;
    this.status = status;
    rememberInAddress({ q: query, status: status === "all" ? "" : status });
    this.arrange();
  }

  receive(message) {
    if (message.sparklines) return this.sparklines.receive(message.sparklines);
    this.isLoading = false;
    for (const id of message.remove ?? []) {
      this.entries.get(id)?.root.remove();
      this.entries.delete(id);
      this.sparklines.forget(id);
    }
    this.put(message.put ?? []);
    this.arrange();
  }

  put(cards) {
    for (const fields of cards) {
      const known = this.entries.get(fields.id);
      const entry = known ?? makeCard(fields);
      const before = entry.card.status;
      showCard(entry, { ...entry.card, ...fields });
      this.entries.set(fields.id, entry);
      if (!known) this.sparklines.watch(fields.id, entry.refs.sparks);
      if (known && before !== entry.card.status) this.say(entry.card);
    }
  }

  say(card) {
    this.spoken.textContent = `${card.name} is now ${WORDS[card.status]}`;
  }

  arrange() {
    const entries = [...this.entries.values()].sort(worstFirst);
    this.order(entries);
    const folded = fold(this.query.trim());
    let shown = 0;
    for (const { root, card } of entries) {
      const isShown = (this.status === "all" || card.status === this.status) && matches(card, folded);
      if (root.hidden === isShown) root.hidden = !isShown;
      shown += isShown;
    }
    this.summarize(entries, shown);
  }

  order(entries) {
    const wanted = entries.map(({ root }) => root);
    if (this.cards.childElementCount === 0) return this.cards.append(...wanted);
    let place = this.cards.firstElementChild;
    for (const root of wanted) {
      if (root === place) place = place.nextElementSibling;
      else this.cards.insertBefore(root, place);
    }
  }

  summarize(entries, shown) {
    const counts = Object.fromEntries(CHIPS.map((status) => [status, 0]));
    for (const { card } of entries) counts[card.status] += 1;
    counts.all = entries.length;
    for (const [status, chip] of this.chips) {
      setText(chip.lastElementChild, String(counts[status]));
      chip.setAttribute("aria-pressed", String(status === this.status));
      chip.toggleAttribute("data-zero", counts[status] === 0);
    }
    setText(this.sub, this.isLoading ? "Looking that moment up…" : sentence(entries, counts));
    this.group.hidden = this.field.hidden = entries.length === 0;
    this.showEmpty(entries.length, shown);
  }

  showEmpty(all, shown) {
    this.empty.hidden = shown > 0 || this.isLoading;
    if (this.empty.hidden) return;
    this.empty.replaceChildren(...(all ? this.nothingMatches() : noHosts()));
  }

  nothingMatches() {
    const reset = el("button", { class: "button", type: "button", text: "Show all hosts" });
    reset.addEventListener("click", () => {
      this.field.querySelector("input").value = "";
      this.filter("", "all");
    });
    return [el("p", { text: "No host matches this filter." }), reset];
  }
}

export function searchField(label, value, search) {
  const input = el("input", { type: "search", placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false" });
  input.value = value;
  input.addEventListener("input", () => search(input.value));
  return el("label", { class: "search" }, input, el("kbd", { text: "/", "aria-hidden": "true" }));
}

function noHosts() {
  if (isPast()) return [el("h2", { text: "No host at that moment" }), el("p", { text: "Nothing was watched then. Hosts that were deleted with their history are not shown either." })];
  return [
    el("h2", { text: "No host yet" }),
    el("p", { text: "Add a host, run the command that is shown on it, and its card appears here within seconds." }),
    el("a", { class: "button primary", href: address("/admin/hosts"), text: "Add a host" }),
  ];
}

function matches(card, folded) {
  return !folded || fold(`${card.name} ${card.meta} ${card.why}`).includes(folded);
}

function worstFirst({ card: one }, { card: other }) {
  return WORST_FIRST.indexOf(one.status) - WORST_FIRST.indexOf(other.status) || byName.compare(one.name, other.name);
}

function sentence(entries, counts) {
  if (entries.length === 0) return isPast() ? "Nothing was watched then." : "Nothing is watched yet.";
  const troubled = WORST_FIRST.filter((status) => status !== "ok" && counts[status]);
  const state = troubled.length ? troubled.map((status) => `${counts[status]} ${status}`).join(", ") : "all ok";
  const guests = sum(entries, "guests");
  const parts = [`${count(entries.length, "host")}: ${state}`];
  if (guests) parts.push(`${whole(sum(entries, "running"))} of ${count(guests, "guest")} running`);
  const pools = sum(entries, "zpools");
  if (pools) parts.push(`${whole(sum(entries, "zpools_ok"))} of ${count(pools, "zpool")} ONLINE`);
  return parts.join(" · ");
}

function sum(entries, field) {
  return entries.reduce((total, { card }) => total + (card[field] ?? 0), 0);
}

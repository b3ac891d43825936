// One host's card: made once, then changed field by field.
import { showTime } from "./clock.js";
import { clone, hostAddress, markup, setData, setText } from "./dom.js";
import { setPill } from "./status.js";
import { percent, UNKNOWN } from "./words.js";

const meter = (key, label) => `
  <div class="meter" data-ref="${key}">
    <span class="meter-label">${label}</span>
    <span class="bar" role="meter" aria-label="${label}" aria-valuemin="0" aria-valuemax="100"><i></i></span>
    <span class="meter-value"></span>
  </div>`;

const TEMPLATE = markup(`
  <article class="card" data-role="host-card">
    <header class="card-head">
      <h2><a data-ref="link"></a></h2>
      <span class="pill" data-ref="pill"><i class="shape" aria-hidden="true"></i><span></span></span>
      <p class="card-meta" data-ref="meta"></p>
      <p class="unknown-count" data-ref="unknown"></p>
    </header>
    <div class="why" data-ref="why"><p><span data-ref="whyText"></span><time data-ref="whySince"></time><span data-ref="whyAfter"></span><span class="why-since" data-ref="sinceWords"> for <time data-ref="since"></time></span></p><b data-ref="more"></b></div>
    <div class="meters">${meter("cpu", "CPU")}${meter("memory", "Memory")}${meter("capacity", "Zpool")}</div>
    <div class="sparks" data-ref="sparks"></div>
    <dl class="card-facts">
      <div><dt>Load</dt><dd data-ref="load"></dd></div>
      <div><dt>Zpools</dt><dd data-ref="zpools"></dd></div>
      <div><dt>Guests</dt><dd data-ref="guests"></dd></div>
      <div><dt>Seen</dt><dd><time data-ref="seen"></time></dd></div>
    </dl>
  </article>`);

export function makeCard(card) {
  const { root, refs } = clone(TEMPLATE);
  root.dataset.host = card.name;
  refs.link.textContent = card.name;
  refs.link.href = hostAddress(card.name);
  return { root, refs, card: {} };
}

export function showCard(entry, card) {
  const { root, refs } = entry;
  entry.card = card;
  setData(root, "status", card.status);
  setPill(refs.pill, card.status);
  setText(refs.unknown, card.unknown ? `${card.unknown} unknown` : "");
  setText(refs.meta, card.meta || "\u00a0");
  showWhy(refs, card);
  showMeter(refs.cpu, card.cpu, "");
  showMeter(refs.memory, card.memory, card.memory_text);
  showMeter(refs.capacity, card.capacity, card.capacity_pool, card.capacity_verdict);
  setText(refs.load, card.load == null ? UNKNOWN : card.load.toFixed(2));
  showParts(refs.zpools, card.zpools_ok, card.zpools, "ok");
  showParts(refs.guests, card.running, card.guests, "running");
  showTime(refs.seen, card.seen);
}

function showWhy(refs, card) {
  const [before, after = ""] = card.why.split("{}");
  setData(refs.why, "quiet", card.unknown || card.status !== "ok" ? "no" : "yes");
  refs.why.title = card.why_since == null ? card.why : "";
  setText(refs.whyText, before);
  setText(refs.whyAfter, after);
  refs.whySince.hidden = card.why_since == null;
  if (card.why_since == null) refs.whySince.removeAttribute("data-since");
  else showTime(refs.whySince, card.why_since, "span");
  refs.sinceWords.hidden = card.since == null;
  if (card.since == null) refs.since.removeAttribute("data-since");
  else showTime(refs.since, card.since, "span");
  setText(refs.more, card.more > 0 ? `+${card.more}` : "");
  refs.more.title = card.more > 0 ? `${card.more} more` : "";
}

function showMeter(element, value, detail, verdict = "") {
  const [, bar, text] = element.children;
  const isKnown = value != null;
  setText(text, isKnown ? percent(value) : UNKNOWN);
  bar.firstElementChild.style.width = `${isKnown ? value : 0}%`;
  bar.setAttribute("aria-valuenow", isKnown ? Math.round(value) : 0);
  bar.setAttribute("aria-valuetext", isKnown ? `${percent(value)} ${detail}`.trim() : "unknown");
  setData(element, "verdict", verdict);
  element.title = isKnown ? detail : "";
}

function showParts(element, part, all, word) {
  if (part == null) return setText(element, UNKNOWN);
  if (all === 0) return setText(element, "none");
  setText(element, `${part}/${all}`);
  element.title = `${part} of ${all} ${word}`;
  setData(element, "short", word === "ok" && part < all ? "yes" : "no");
}

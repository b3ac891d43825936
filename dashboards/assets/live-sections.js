// Server-rendered sections: new HTML is merged into the old, so that focus, scrolling and opened details stay.
import { countAll, showTime } from "./clock.js";
import { el } from "./dom.js";

export function mount(root, { moments }) {
  showMoments(moments);
  return ({ html, moments: newer, absent }) => {
    if (absent) return showAbsence(absent);
    for (const [name, text] of Object.entries(html)) merge(name, text);
    showMoments(newer);
    for (const waiting of document.querySelectorAll("[data-loading]")) waiting.remove();
    for (const loaded of document.querySelectorAll("[data-loaded]")) loaded.hidden = false;
  };
}

// A host of which nothing is known at the moment that the page shows.
function showAbsence([title, words]) {
  document.querySelector("[data-loading]")?.replaceChildren(el("h2", { text: title }), el("p", { text: words }));
}

// Moments that every sample moves are told by name, so that a section is not sent again for its ages alone.
function showMoments(moments) {
  for (const element of document.querySelectorAll("[data-moment]")) {
    showTime(element, moments[element.dataset.moment], element.dataset.form);
  }
}

function merge(name, text) {
  const place = document.querySelector(`[data-html="${name}"]`);
  if (!place) return;
  const template = document.createElement("template");
  template.innerHTML = text;
  mergeChildren(place, template.content);
  countAll(place);
}

function mergeChildren(place, wanted) {
  const keyed = new Map([...place.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let old = place.firstChild;
  for (const next of [...wanted.childNodes]) {
    const match = next.dataset?.key ? keyed.get(next.dataset.key) : isAlike(old, next) ? old : null;
    if (!match) {
      place.insertBefore(next, old);
      continue;
    }
    if (match === old) old = old.nextSibling;
    else place.insertBefore(match, old);
    mergeNode(match, next);
  }
  while (old) {
    const rest = old.nextSibling;
    old.remove();
    old = rest;
  }
}

function isAlike(old, next) {
  return old?.nodeType === next.nodeType && old.nodeName === next.nodeName && !old.dataset?.key;
}

function mergeNode(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  const isJudgedAnew = old.dataset.verdict !== next.dataset.verdict;
  const isOpen = next.querySelector("details")?.open;
  mergeAttributes(old, next);
  // A time counts by itself; its text is the browser's.
  if (next.nodeName !== "TIME") mergeChildren(old, next);
  if (isJudgedAnew && isOpen !== undefined) old.querySelector("details").open = isOpen;
}

function mergeAttributes(old, next) {
  for (const { name, value } of next.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const isOurs = name === "open" || (old.nodeName === "TIME" && (name === "title" || name === "data-since"));
    if (!next.hasAttribute(name) && !isOurs) old.removeAttribute(name);
  }
}

// Small tools to build elements. Texts are set as text, never as markup.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") element.textContent = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setData(element, key, value) {
  if (element.dataset[key] !== value) element.dataset[key] = value;
}

// An element for each name of a fixed piece of markup that has data-ref attributes.
export function clone(template) {
  const root = template.content.firstElementChild.cloneNode(true);
  const refs = {};
  for (const part of root.querySelectorAll("[data-ref]")) {
    refs[part.dataset.ref] = part;
    part.removeAttribute("data-ref");
  }
  return { root, refs };
}

export function markup(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template;
}

const shell = () => document.getElementById("shell")?.dataset ?? {};

export const isPast = () => "past" in shell();

// A copy is only read: what is marked with data-writes is not shown on it (travel.css).
export const isCopy = () => "copy" in shell();

export function hostAddress(name) {
  return `${shell().prefix ?? ""}/hosts/${encodeURIComponent(name)}${shell().suffix ?? ""}`;
}

// The host's page as it was at a moment, given as an ISO time.
export function hostThen(name, moment) {
  return `${shell().prefix ?? ""}/hosts/${encodeURIComponent(name)}?at=${moment}`;
}

export function address(path) {
  return (shell().prefix ?? "") + path + (shell().suffix ?? "");
}

// A page that has no past is no place to go to from the past.
export function pageLink(path, text) {
  return el("a", { class: "button", href: address(path), hidden: isPast(), text });
}

// Writes what was searched into the page's address, so that it survives a reload and can be passed on.
export function rememberInAddress(values) {
  const here = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) here.searchParams.set(name, value);
    else here.searchParams.delete(name);
  }
  history.replaceState(history.state, "", here);
}

// As the server folds case for its own search.
export function fold(text) {
  return text.toLowerCase().replaceAll("ß", "ss");
}

export const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

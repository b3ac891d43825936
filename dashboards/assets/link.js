// The connection to the server: its state in the header, and a reload once a lost server answers again. That recovers
// from a restart, an expired session and a new release alike; an open websocket would only recover from the first.
import { setServerTime } from "./clock.js";
import { isCopy, isPast } from "./dom.js";
import { showNotice } from "./notice.js";

const SILENCE_MS = 20_000; // the server is heard every 5 s
const SLOW_MS = 10_000; // a page is heard from after a fraction of a second
const PROBE_MS = { first: 500, most: 15_000, factor: 1.7 };
const RELOADS = "proxmon-reloads";

let heardAt = Date.now();
let isProbing = false;
let isHeard = false;

export function startLink() {
  document.addEventListener("proxmon:lost", probe);
  setInterval(checkSilence, 2000);
  window.addEventListener("online", checkSilence);
  if (isOwnHost()) setTimeout(() => explain(BLOCKED), SLOW_MS);
  else explain(hiddenHost());
  return (message) => {
    heardAt = Date.now();
    if (!isHeard) document.querySelector("[data-part=notice] [data-kind=warning]")?.remove();
    isHeard = true;
    setServerTime(message.now);
    sessionStorage.removeItem(RELOADS);
    if (isProbing) return;
    if (isCopy()) show("past", "Copy");
    else if (isPast()) show("past", "Past");
    else show("live", "Live");
  };
}

function show(state, text) {
  const place = document.querySelector("[data-part=link]");
  document.documentElement.dataset.link = state;
  place.lastElementChild.textContent = text;
  place.title = text;
}

const BLOCKED = "The page's websocket does not get through. If a proxy stands between, let it pass websockets on: the headers Upgrade and Connection, over HTTP/1.1.";

function hiddenHost() {
  const { ownHosts } = document.getElementById("shell").dataset;
  return `The server refuses this page's websocket: the page is at ${location.host}, the server was asked as ${ownHosts.split(" ")[0]}. Let the proxy pass the Host header on, or set PROXMON_ORIGINS=${location.host} for the server.`;
}

function isOwnHost() {
  const { ownHosts } = document.getElementById("shell").dataset;
  return ownHosts.split(" ").some((host) => URL.parse?.(`${location.protocol}//${host}`)?.host === location.host || host === location.host);
}

function explain(text) {
  if (!isHeard) showNotice({ text, kind: "warning" });
}

// Where websockets are blocked, every reload would be followed by the next: the waits grow.
function patience() {
  return SILENCE_MS * 2 ** Math.min(4, Number(sessionStorage.getItem(RELOADS) ?? 0));
}

function checkSilence() {
  if (Date.now() - heardAt <= patience()) return;
  // A browser that slept has the messages still in its queue: it gets a moment to read them.
  setTimeout(() => Date.now() - heardAt > patience() && probe(), 3000);
}

async function probe() {
  if (isProbing) return;
  isProbing = true;
  show("lost", "Reconnecting…");
  let wait = PROBE_MS.first;
  while (!(await answers())) {
    await new Promise((resolve) => setTimeout(resolve, wait * (1 + Math.random())));
    wait = Math.min(wait * PROBE_MS.factor, PROBE_MS.most);
  }
  reload();
}

async function answers() {
  try {
    const { prefix } = document.getElementById("shell").dataset;
    const response = await fetch(`${prefix}/healthz`, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    // A proxy tells of a server that is away in HTML; the server itself, also of a disk that is full, in JSON.
    return response.status < 502 || response.headers.get("content-type")?.startsWith("application/json");
  } catch {
    return false;
  }
}

function reload() {
  // A new token is shown once: it must not vanish before it was copied.
  if (document.querySelector("[data-role=new-token]")) {
    show("lost", "Reload when the token is copied");
    return;
  }
  sessionStorage.setItem(RELOADS, Number(sessionStorage.getItem(RELOADS) ?? 0) + 1);
  location.reload();
}

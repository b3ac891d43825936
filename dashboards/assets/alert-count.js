// How many alerts wait for somebody: in every page's header and tab, and on the desktop for who asked for it.
import { setData, setText } from "./dom.js";

const WISH = "proxmon-desktop-alerts";

export function startAlertCount() {
  const place = document.querySelector("[data-part=alert-count]");
  const { critical, warning } = place.dataset;
  showTitle(Number(critical), Number(warning));
  let known = null;
  return ({ critical, warning, newest }) => {
    for (const [severity, number] of Object.entries({ critical, warning })) showNumber(place, severity, number);
    place.querySelector(".alert-none").hidden = critical + warning > 0;
    showTitle(critical, warning);
    const fresh = known ? newest.filter(({ id, severity }) => known.get(id) !== severity) : [];
    known = new Map([...(known ?? []), ...newest.map(({ id, severity }) => [id, severity])]);
    fresh.forEach(notify);
  };
}

function showNumber(place, severity, number) {
  const element = place.querySelector(`[data-severity=${severity}]`);
  element.hidden = number === 0;
  setText(element.querySelector("b"), String(number));
  setData(place, severity, String(number));
}

// A tab in the background says as well that something is wrong.
function showTitle(critical, warning) {
  const plain = document.title.replace(/^\(.*?\) /, "");
  const troubled = critical ? `${critical} critical` : warning ? `${warning} warning` : "";
  document.title = troubled ? `(${troubled}) ${plain}` : plain;
}

export const canNotify = () => "Notification" in window && window.isSecureContext;

export function isNotifying() {
  return canNotify() && Notification.permission === "granted" && localStorage.getItem(WISH) === "yes";
}

// The browser asks only when a person pressed a button.
export async function wishNotifications(isWished) {
  localStorage.setItem(WISH, isWished ? "yes" : "no");
  if (isWished && Notification.permission === "default") await Notification.requestPermission();
  return isNotifying();
}

function notify({ id, severity, host, message }) {
  if (!isNotifying()) return;
  // Several open pages say the same: the tag makes it one.
  const note = new Notification(`${host}: ${severity}`, { body: message, tag: `proxmon-${id}-${severity}` });
  note.addEventListener("click", () => {
    window.focus();
    location.assign(`${document.getElementById("shell").dataset.prefix}/alerts`);
  });
}

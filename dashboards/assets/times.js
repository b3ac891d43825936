// Moments as charts write them, in UTC like every time on these pages.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY = 86400;

const two = (number) => String(number).padStart(2, "0");
const date = (seconds) => new Date(seconds * 1000);
export const clock = (at) => `${two(date(at).getUTCHours())}:${two(date(at).getUTCMinutes())}`;
export const clockSeconds = (at) => `${clock(at)}:${two(date(at).getUTCSeconds())}`;
const dayOf = (at) => `${date(at).getUTCDate()} ${MONTHS[date(at).getUTCMonth()]}`;

export function timeLabels(splits, step) {
  if (step >= 28 * DAY) return splits.map((at) => `${MONTHS[date(at).getUTCMonth()]} ${date(at).getUTCFullYear()}`);
  if (step >= DAY) return splits.map(dayOf);
  return splits.map((at) => (at % DAY === 0 ? dayOf(at) : step < 60 ? clockSeconds(at) : clock(at)));
}

export function moment(at) {
  return `${dayOf(at)} ${clockSeconds(at)}`;
}

export function between(since, until) {
  const isOneDay = Math.floor(since / DAY) === Math.floor(until / DAY);
  const isLong = until - since > 60 * DAY;
  const start = isLong ? `${dayOf(since)} ${date(since).getUTCFullYear()}` : `${dayOf(since)} ${clock(since)}`;
  const end = isLong ? `${dayOf(until)} ${date(until).getUTCFullYear()}` : isOneDay ? clock(until) : `${dayOf(until)} ${clock(until)}`;
  return `${start} – ${end} UTC`;
}

export const iso = (at) => new Date(at * 1000).toISOString().slice(0, 19).concat("Z");

export const dayName = (at) => `${dayOf(at)} ${date(at).getUTCFullYear()}`;

// Numbers, amounts and spans of time as people read them; the same forms as the server's.
export const UNKNOWN = "–";
const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const SPANS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

export function span(seconds) {
  for (const [size, unit] of SPANS) {
    if (seconds >= 2 * size || (seconds >= size && unit !== "d")) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

export function bytes(amount) {
  if (amount == null) return UNKNOWN;
  let power = 0;
  while (Math.abs(amount) >= 999.5 && power < SIZES.length - 1) {
    amount /= 1024;
    power += 1;
  }
  const digits = power === 0 || amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return `${Number(amount.toFixed(digits))} ${SIZES[power]}`;
}

export function percent(value) {
  if (value == null) return UNKNOWN;
  return `${value > 0 && value < 1 ? value.toFixed(1) : Math.round(value)} %`;
}

export function whole(value) {
  return value.toLocaleString("en").replaceAll(",", "\u202f");
}

export function count(value, noun, nouns = `${noun}s`) {
  return `${whole(value)} ${value === 1 ? noun : nouns}`;
}

export function day(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

// The host's statuses behind its charts: periods offline, and the moments at which the status changed.
const WORST_FIRST = ["critical", "offline", "warning", "ok"];

export class Statuses {
  constructor() {
    this.take({ first: null, changes: [] });
  }

  take({ first, changes }) {
    Object.assign(this, { first, changes });
  }

  add(changes) {
    this.changes = [...this.changes, ...changes.filter(({ at }) => !this.changes.some((known) => known.at === at))].sort((one, other) => one.at - other.at);
  }

  get isOffline() {
    return (this.changes.at(-1)?.status ?? this.first) === "offline";
  }

  // Spans of time offline, as pairs of moments; one that has not ended ends with the chart.
  offline(since, until) {
    const found = [];
    let start = this.first === "offline" ? since : null;
    for (const { at, status } of this.changes) {
      if (status === "offline") start ??= at;
      else if (start !== null) {
        found.push([start, at]);
        start = null;
      }
    }
    if (start !== null) found.push([start, until]);
    return found.map(([from, to]) => [Math.max(from, since), Math.min(to, until)]).filter(([from, to]) => to > from);
  }

  // The changes as marks at least `apart` seconds from each other: those that would touch are one, as bad as the worst.
  marks(since, until, apart) {
    const marks = [];
    for (const change of this.changes.filter(({ at }) => at >= since && at <= until)) {
      const last = marks.at(-1);
      if (last && change.at - last.from < apart) Object.assign(last, change, { from: last.from, count: last.count + 1, status: worse(last.status, change.status) });
      else marks.push({ ...change, from: change.at, count: 1 });
    }
    return marks.map((mark) => ({ ...mark, words: mark.count > 1 ? `${mark.count} changes, the last: ${mark.words}` : mark.words }));
  }
}

function worse(one, other) {
  return WORST_FIRST.indexOf(one) < WORST_FIRST.indexOf(other) ? one : other;
}

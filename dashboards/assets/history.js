// One kind's history as columns over a common list of times. A gap is a row of nulls, so that no line crosses it.
const GAP_STEPS = 2.5;
// A sample this early after the last step, in steps, belongs to it; samples come a little early or late.
const SAME_STEP = 0.75;
const PARTS = ["mean", "min", "max"];

export class History {
  // `points` is how many steps were asked for at most.
  constructor(answer, names, points) {
    Object.assign(this, { points, since: answer.since, until: answer.until, at: [], heardAt: answer.until });
    this.resolution = answer.resolution ?? usualStep(answer.at);
    // A host that sent less often then than it does now had no gaps for that.
    this.usual = Math.max(this.resolution, usualStep(answer.at));
    this.lines = answer.lines.map(({ metric, subject, ...columns }) => ({ metric, subject, name: names[subject] ?? subject, ...emptied(columns) }));
    answer.at.forEach((at, row) => this.push(at, (line, part) => answer.lines[line][part][row]));
  }

  get isEmpty() {
    return this.lines.length === 0;
  }

  line(metric) {
    return this.lines.find((line) => line.metric === metric);
  }

  ofMetric(metric) {
    return this.lines.filter((line) => line.metric === metric);
  }

  push(at, read) {
    if (this.at.length && at - this.at.at(-1) > GAP_STEPS * this.usual) this.add(this.at.at(-1) + this.resolution, () => null);
    this.add(at, read);
  }

  add(at, read) {
    this.at.push(at);
    this.lines.forEach((line, index) => {
      for (const part of PARTS) line[part]?.push(read(index, part));
    });
  }

  // A new sample: the end moves on and takes the start along.
  append(at, values) {
    const last = this.at.at(-1);
    if (last !== undefined && at < last) return;
    if (last !== undefined && at - last < SAME_STEP * this.resolution) this.merge(at, values);
    else this.push(at, (line) => values[line] ?? null);
    this.heardAt = at;
    this.moveTo(at);
  }

  moveTo(at) {
    const moved = Math.max(0, at - this.until);
    this.since += moved;
    this.until += moved;
    while (this.at.length > 2 && this.at[1] < this.since) this.drop();
  }

  // How many samples the step holds is not known: it is as many as fit at the pace of the last two.
  merge(at, values) {
    const count = (at - this.at.at(-1)) / Math.max(1, at - this.heardAt) + 1;
    this.lines.forEach((line, index) => {
      const [value, end] = [values[index], this.at.length - 1];
      if (value == null) return;
      line.min ??= [...line.mean];
      line.max ??= [...line.mean];
      line.min[end] = Math.min(line.min[end] ?? value, value);
      line.max[end] = Math.max(line.max[end] ?? value, value);
      line.mean[end] = line.mean[end] == null ? value : line.mean[end] + (value - line.mean[end]) / Math.max(2, count);
    });
  }

  drop() {
    this.at.shift();
    for (const line of this.lines) for (const part of PARTS) line[part]?.shift();
  }
}

function emptied(columns) {
  return Object.fromEntries(Object.keys(columns).filter((name) => PARTS.includes(name)).map((name) => [name, []]));
}

function usualStep(at) {
  const steps = at.slice(1).map((moment, index) => moment - at[index]).sort((one, other) => one - other);
  return steps[steps.length >> 1] ?? 10;
}

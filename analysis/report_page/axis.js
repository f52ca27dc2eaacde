"use strict";
// Axes: a value's place on a linear or logarithmic scale, ticks, and numbers as text.
// An axis is {title, kind, log, floor}; kind is bytes, events, percent, ns or number.

const BYTE_UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

function unitOf(kind, most) {
  if (kind === "bytes") {
    let power = 0;
    while (power + 1 < BYTE_UNITS.length && most >= 2 * 1024 ** (power + 1)) power++;
    return {divisor: 1024 ** power, name: BYTE_UNITS[power]};
  }
  if (kind === "events") {
    if (most >= 2e6) return {divisor: 1e6, name: "million"};
    return most >= 1e4 ? {divisor: 1e3, name: "thousand"} : {divisor: 1, name: ""};
  }
  if (kind === "percent") return {divisor: 0.01, name: "%"};
  return {divisor: 1, name: kind === "ns" ? "ns" : ""};
}

function digits(value, significant) {
  const short = Number(value.toPrecision(significant));
  return Math.abs(short) >= 1e3 ? short.toLocaleString("en-US") : String(short);
}

// A value as one reads it: 1.25 MiB, 38.4 ns, 81.5 %.
function valueText(kind, value) {
  if (value === null || value === undefined) return "–";
  if (kind === "events") return `event ${Math.round(value).toLocaleString("en-US")}`;
  const {divisor, name} = unitOf(kind, Math.abs(value));
  return digits(value / divisor, 4) + (name ? ` ${name}` : "");
}

// Where a value lies on an axis; null: nowhere.
function place(axis, value) {
  if (value === null || value === undefined) return null;
  if (!axis.log) return value;
  if (value > 0) return Math.log10(value);
  return axis.floor > 0 ? Math.log10(axis.floor) : null;
}

function valueAt(axis, where) {
  return axis.log ? 10 ** where : where;
}

function evenTicks(low, high, most, least) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((factor) => factor * power >= rough) * power, least);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

function powerTicks(low, high, most) {
  const first = Math.floor(Math.log10(low) + 1e-9), last = Math.ceil(Math.log10(high) - 1e-9);
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let power = first; power <= last; power++) {
      for (const factor of factors) {
        const value = Number(`${factor}e${power}`);
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
      }
    }
    if (found.length <= most) return found;
  }
  const step = Math.ceil((last - first) / most), found = [];
  for (let power = first; power <= last; power += step) {
    const value = Number(`1e${power}`);
    if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
  }
  return found;
}

// [{where, text}] between two places, and the unit the texts are in.
function ticks(axis, from, to, most) {
  const low = valueAt(axis, from), high = valueAt(axis, to);
  const unit = unitOf(axis.kind, Math.max(Math.abs(low), Math.abs(high)));
  const [a, b] = [low / unit.divisor, high / unit.divisor];
  const least = axis.kind === "events" && unit.divisor === 1 ? 1 : 0;
  let values = axis.log ? powerTicks(a, b, most) : evenTicks(a, b, most, least);
  if (axis.log && values.length < 3) values = evenTicks(a, b, most, 0).filter((v) => v > 0);
  return {unit: unit.name, list: values.map((value) => (
    {where: place(axis, value * unit.divisor), text: digits(value, 6)}))};
}

function axisTitle(axis, unit) {
  return unit ? `${axis.title} (${unit})` : axis.title;
}

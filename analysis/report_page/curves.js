"use strict";
// The curves of each kind of plot, taken from the data in the page.

const data = JSON.parse(document.getElementById("data").textContent);
const state = {hidden: new Set(), run: data.main};

const DASHES = {reference: "6 3", bound: "2 3", recorded: "10 3"};
const placeOf = new Map(data.algorithms.map(({name}, n) => [name, n]));

function look(name) {
  const {kind} = data.algorithms[placeOf.get(name)];
  return {name, kind, colour: `var(--a${placeOf.get(name)})`, dash: DASHES[kind]};
}

// The rows of a run that have curves, with what all rows share filled in.
function traced(run) {
  return run.rows.filter((row) => row.curve).map((row) => {
    const index = row.curve.index || run.shared.index;
    return {...look(row.algorithm), xs: index, row, curve: row.curve,
            requested: row.curve.requested || run.shared.requested,
            shape: index.length === run.events + 1 ? "after" : "line"};
  });
}

const overTrace = (run) => (
  {title: "events replayed", kind: "events", from: 0, to: Math.max(run.events, 1), tight: true});

function bytesPlot(run) {
  const curves = traced(run).map((one) => (
    {...one, ys: one.curve.paged.mean, low: one.curve.paged.low, high: one.curve.paged.high}));
  if (curves.length) {
    const {xs, requested} = curves[0];
    curves.unshift({title: "requested", colour: "var(--requested)", shape: "area", xs,
                    ys: requested.mean});
  }
  return {title: "Page bytes over the trace", x: overTrace(run), cap: 3, curves,
          y: {title: "page bytes", kind: "bytes", from: 0},
          note: "Grey: requested bytes, the same for all. What lies above it is waste."};
}

function wastePlot(run) {
  const curves = traced(run).filter(({kind}) => kind !== "bound").map((one) => (
    {...one, ys: one.curve.waste.mean, low: one.curve.waste.low.map((v) => Math.max(v, 1)),
     high: one.curve.waste.high}));
  const means = curves.flatMap(({ys}) => ys.filter((value) => value > 0));
  const least = means.length ? means.reduce((a, b) => Math.min(a, b)) : 1;
  for (const curve of curves) curve.low = curve.low.map((value) => Math.max(value, least));
  return {title: "Waste over the trace", x: overTrace(run), curves,
          y: {title: "page bytes - requested", kind: "bytes", log: true},
          note: "The bound, which wastes less than a page, is left out."};
}

function utilizationPlot(run) {
  const curves = traced(run).map((one) => (
    {...one, ys: one.curve.paged.mean.map(
      (paged, n) => (paged > 0 ? one.requested.mean[n] / paged : null))}));
  return {title: "Utilization over the trace", x: overTrace(run), curves,
          y: {title: "requested / page bytes", kind: "percent", from: 0, to: 1}};
}

function latencyPlot(run, call) {
  const curves = run.rows.filter((row) => row.latency && row.latency[call]).map((row) => (
    {...look(row.algorithm), xs: row.latency[call][0], ys: row.latency[call][1],
     shape: "until"}));
  const known = curves.flatMap(({xs}) => xs.filter((ns) => ns > 0));
  const floor = known.length ? known.reduce((a, b) => Math.min(a, b)) : 1;
  return {title: `How long a ${call} takes`, curves,
          x: {title: `time of a ${call}`, kind: "ns", log: true, floor, short: "at least"},
          y: {title: "calls that take at least as long", kind: "percent", log: true,
              short: "of the calls"},
          note: "The dot at the right end of a curve is the slowest call."};
}

// Who is not beaten in both time and memory by another algorithm.
function frontier(shown) {
  const points = shown.filter(({kind, loose}) => loose && kind === "algorithm")
    .map(({xs, ys}) => [xs[0], ys[0]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const front = [];
  for (const point of points) {
    if (!front.length || point[1] < front[front.length - 1][1]) front.push(point);
  }
  return front.length > 1 ? [{silent: true, colour: "var(--faint)", dash: "3 4", shape: "after",
                              xs: front.map(([x]) => x), ys: front.map(([, y]) => y)}] : [];
}

function paretoPlot(run) {
  const timed = run.rows.filter((row) => row.ns_per_event > 0);
  const curves = timed.map((row) => ({...look(row.algorithm), shape: "points", loose: true,
                                      xs: [row.ns_per_event], ys: [row.penalty]}));
  const bound = run.rows.find((row) => look(row.algorithm).kind === "bound");
  return {title: "Time against memory", curves, derived: frontier,
          x: {title: "time per event", kind: "ns", log: true},
          y: {title: "penalty", kind: "number", log: true, short: "penalty"},
          note: "Down and to the left is better; on the dashed line lies who is not beaten in " +
                "both. Hollow: references." +
                (bound ? ` No allocator can have a penalty below ${digits(bound.penalty, 3)}.` : "")};
}

function growthPlot(figure, title, kind) {
  const curves = data.algorithms.map(({name}) => {
    const points = data.growth.filter((point) => (
      point.algorithm === name && point[figure] > 0)).sort((a, b) => a.live - b.live);
    return {...look(name), shape: "points", xs: points.map((point) => point.live),
            ys: points.map((point) => point[figure])};
  }).filter(({xs}) => xs.length);
  return {title: title[0].toUpperCase() + title.slice(1), curves,
          x: {title: "live blocks", kind: "number", log: true, short: "live blocks:"},
          y: {title, kind, log: true, short: kind === "ns" ? "per event" : "instructions per event"}};
}

// Over all real programs: what each allocator takes and holds as a part of what glibc does.
function programsPlot(time, peak, title, note) {
  const curves = data.programs.map((one) => ({...look(one.algorithm), shape: "points", loose: true,
                                              xs: [one[time]], ys: [one[peak]]}));
  return {title, curves, derived: frontier, note,
          x: {title: "time / glibc's", kind: "number", log: true, short: "time"},
          y: {title: "largest resident set / glibc's", kind: "number", log: true, short: "memory"}};
}

const PLOTS = {
  pareto: paretoPlot,
  bytes: bytesPlot,
  waste: wastePlot,
  utilization: utilizationPlot,
  malloc: (run) => latencyPlot(run, "malloc"),
  free: (run) => latencyPlot(run, "free"),
  "programs-mean": () => programsPlot(
    "time", "peak", "Time against memory, mean of all programs",
    "Geometric mean. Down and to the left is better; 1 is glibc. Hollow: references."),
  "programs-worst": () => programsPlot(
    "worst_time", "worst_peak", "Time against memory, worst of all programs",
    "The largest ratio of time and the largest ratio of memory, which need not be of one program."),
  "growth-ns": () => growthPlot("ns_per_event", "time per event", "ns"),
  "growth-instructions":
    () => growthPlot("instructions_per_event", "instructions per event", "number"),
};

// Plots over the same trace move together along it.
const LINKED = ["bytes", "waste", "utilization"];

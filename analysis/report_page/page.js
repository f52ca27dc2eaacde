"use strict";
// The page: which workload and which curves are shown, and in which theme.

const built = new Map();  // what has been drawn, by the element that holds it

function onScreen(holder) {
  return holder.offsetParent !== null;
}

function buildPlots(group, run) {
  const plots = [...group.querySelectorAll(".plot")].map((holder) => {
    const plot = new Plot(holder, PLOTS[holder.dataset.plot](run));
    built.set(holder, plot);
    return plot;
  });
  const linked = plots.filter(({holder}) => LINKED.includes(holder.dataset.plot));
  for (const plot of linked) plot.linked = linked.filter((other) => other !== plot);
}

// Plots of a workload are made when it is first looked at.
function buildShown() {
  for (const group of document.querySelectorAll(".plots")) {
    if (!onScreen(group) || group.dataset.built) continue;
    group.dataset.built = "yes";
    buildPlots(group, data.runs[group.dataset.run]);
  }
  for (const holder of document.querySelectorAll(".heat")) {
    if (!onScreen(holder) || built.has(holder)) continue;
    built.set(holder, new HeapMaps(holder, data.runs[holder.dataset.run]));
  }
}

function drawShown() {
  buildShown();
  for (const [holder, plot] of built) if (onScreen(holder)) plot.draw();
}

function showRun(number) {
  state.run = number;
  document.querySelectorAll("section.run").forEach((section, n) => { section.hidden = n !== number; });
  for (const button of document.querySelectorAll("#workloads button")) {
    button.setAttribute("aria-pressed", String(isChosen(button.dataset)));
  }
  const menu = document.querySelector("#workloads select");
  if (menu) menu.value = data.runs[number].recorded ? data.runs[number].trace : "";
  drawShown();
}

function isChosen({trace, size}) {
  const run = data.runs[state.run];
  return trace !== undefined ? run.trace === trace : run.page_size === Number(size);
}

function choose({trace, size}) {
  const now = data.runs[state.run];
  const wanted = {trace: trace ?? now.trace, page_size: size ? Number(size) : now.page_size};
  const exact = data.runs.findIndex((run) => (
    run.trace === wanted.trace && run.page_size === wanted.page_size));
  const near = data.runs.findIndex((run) => (
    size ? run.page_size === wanted.page_size : run.trace === wanted.trace));
  showRun(exact >= 0 ? exact : near);
}

function addChoices(parent, name, values, attribute, textOf) {
  const group = make("div", {class: "choices", role: "group", "aria-label": name}, parent);
  make("span", {}, group, name);
  for (const value of values) {
    const button = make("button", {type: "button"}, group, textOf(value));
    button.dataset[attribute] = value;
    button.addEventListener("click", () => choose(button.dataset));
  }
}

// For the recorded traces, which are too many for a button each.
function addMenu(parent, name, values) {
  const group = make("label", {class: "choices"}, parent);
  make("span", {}, group, name);
  const menu = make("select", {}, group);
  make("option", {value: "", disabled: "", hidden: ""}, menu, "choose");
  for (const value of values) make("option", {value}, menu, value);
  menu.addEventListener("change", () => choose({trace: menu.value}));
}

function addWorkloads() {
  const parent = document.getElementById("workloads");
  const different = (key, runs) => [...new Set(runs.map((run) => run[key]))];
  const [recorded, others] = [true, false].map((wanted) => (
    different("trace", data.runs.filter((run) => run.recorded === wanted))));
  if (others.length) {
    addChoices(parent, "trace", others, "trace", (trace) => trace.replace(/\.trace$/, ""));
  }
  if (recorded.length) addMenu(parent, "recorded", recorded);
  const sizes = different("page_size", data.runs);
  if (sizes.length > 1) addChoices(parent, "page bytes", sizes, "size", (n) => n.toLocaleString("en-US"));
}

// The names in the head lead to the sections, of which all but one are hidden.
function followLinks() {
  for (const link of document.querySelectorAll("a[data-run]")) {
    link.addEventListener("click", () => showRun(Number(link.dataset.run)));
  }
}

// ---- curves on and off

function setHidden(names) {
  state.hidden = new Set(names);
  for (const button of document.querySelectorAll("#legend [data-algorithm]")) {
    button.setAttribute("aria-pressed", String(!state.hidden.has(button.dataset.algorithm)));
  }
  drawShown();
}

function addLegend() {
  const legend = document.getElementById("legend");
  const all = data.algorithms.map(({name}) => name);
  const both = make("span", {class: "both"}, legend);
  for (const [title, names] of [["all", []], ["none", all]]) {
    make("button", {type: "button"}, both, title).addEventListener("click", () => setHidden(names));
  }
  for (const name of all) {
    const {colour, dash} = look(name);
    const chip = make("button", {type: "button", "aria-pressed": "true",
                                 title: "switch this curve on or off; with Shift: only this one"},
                      legend);
    chip.dataset.algorithm = name;
    const line = make("svg", {viewBox: "0 0 22 8", "aria-hidden": "true"}, chip);
    make("path", {d: "M0 4H22", style: `stroke: ${colour}`, "stroke-dasharray": dash || "none"}, line);
    make("span", {}, chip, name);
    chip.addEventListener("click", (event) => {
      if (event.shiftKey) return setHidden(all.filter((other) => other !== name));
      const hidden = new Set(state.hidden);
      if (!hidden.delete(name)) hidden.add(name);
      setHidden(hidden);
    });
  }
}

// ---- theme

function keep(theme) {
  try { localStorage.setItem("kma-theme", theme); } catch { /* a browser may forbid it */ }
}

function kept() {
  try { return localStorage.getItem("kma-theme"); } catch { return null; }
}

function addTheme() {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  if (kept()) root.dataset.theme = kept();
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    keep(root.dataset.theme);
    drawShown();
  });
  dark.addEventListener("change", drawShown);
}

function start() {
  addTheme();
  addWorkloads();
  addLegend();
  followLinks();
  for (const part of document.querySelectorAll("#bar, .hint")) part.hidden = false;
  document.querySelectorAll("table.figures").forEach(makeSortable);
  if (!data.growth.length) document.getElementById("growth").hidden = true;
  showRun(state.run);
  let width = window.innerWidth, waiting = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawShown);
  });
}

start();

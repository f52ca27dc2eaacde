"use strict";
// A plot: curves over two axes as SVG, drawn anew whenever its range or its curves change.
//
// A curve is {name, colour, dash, xs, ys, low, high, shape}; low and high bound a band;
// shape is "line", "after" (a value holds until the next one), "until" (a value holds up
// to its x), "points" (markers on a line; loose: markers alone) or "area". A curve without
// a name is always shown; a silent one says nothing when hovered.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = {left: 62, right: 14, top: 10, bottom: 44};

function make(tag, attributes, parent, text) {
  const node = tag in {svg: 1, g: 1, path: 1, line: 1, text: 1, rect: 1, circle: 1,
                       clipPath: 1, defs: 1}
    ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function nearestIndex(xs, x) {
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle; else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}

// The index of the value that a curve has at x; -1: none.
function indexAt(curve, x) {
  const xs = curve.xs;
  if (curve.shape === "until") return xs.findIndex((end) => end >= x);
  if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) return -1;
  if (curve.shape !== "after") return nearestIndex(xs, x);
  let found = 0;
  while (found + 1 < xs.length && xs[found + 1] <= x) found++;
  return found;
}

let plotCount = 0;

class Plot {
  constructor(holder, spec) {
    this.holder = holder;
    this.spec = spec;
    this.number = plotCount++;
    this.zoom = null;      // {x: [low, high], y: [low, high]}, places on the axes
    this.uncapped = false;
    this.linked = [];      // plots whose x axis is the same
    const head = make("div", {class: "plot-head"}, holder);
    make("h3", {}, head, spec.title);
    this.resetButton = make("button", {type: "button", class: "reset", hidden: ""}, head,
                            "reset zoom");
    this.resetButton.addEventListener("click", () => this.reset());
    this.frame = make("div", {class: "frame"}, holder);
    this.svg = make("svg", {tabindex: "0", role: "img", "aria-label": spec.title}, this.frame);
    this.tip = make("div", {class: "tip", hidden: ""}, this.frame);
    this.note = make("p", {class: "note"}, holder);
    addGestures(this);
  }

  get visible() {
    const {curves, derived} = this.spec;
    const shown = curves.filter((curve) => !curve.name || !state.hidden.has(curve.name));
    return derived ? [...derived(shown), ...shown] : shown;
  }

  // The least range that shows every visible curve, but for those far beyond all others.
  home() {
    const {x, y, cap} = this.spec;
    const xs = [], tops = [], bottoms = [];
    this.beyond = [];
    for (const curve of this.visible) {
      const highest = curve.high || curve.ys, lowest = curve.low || curve.ys;
      const up = highest.map((v) => place(y, v)).filter((v) => v !== null);
      const down = lowest.map((v) => place(y, v)).filter((v) => v !== null);
      if (!up.length) continue;
      const across = curve.xs.map((v) => place(x, v)).filter((v) => v !== null);
      if (across.length) xs.push(Math.min(...across), Math.max(...across));
      tops.push({top: Math.max(...up), curve});
      bottoms.push(down.length ? Math.min(...down) : Math.min(...up));
    }
    if (!tops.length || !xs.length) return null;
    tops.sort((a, b) => a.top - b.top);
    if (cap && !this.uncapped) {
      const limit = cap * tops[(tops.length - 1) >> 1].top;
      this.beyond = tops.filter(({top}) => top > limit);
      if (this.beyond.length === tops.length) this.beyond = [];
    }
    const top = tops[tops.length - 1 - this.beyond.length].top;
    return {x: this.widened(x, Math.min(...xs), Math.max(...xs)),
            y: this.widened(y, Math.min(...bottoms), top)};
  }

  widened(axis, low, high) {
    if (axis.from !== undefined) low = Math.min(low, axis.from);
    if (axis.to !== undefined) high = Math.max(high, axis.to);
    if (high - low < 1e-12) return axis.log ? [low - 0.5, high + 0.5] : [low - 0.5, high + 1];
    const more = (high - low) * (axis.tight ? 0 : 0.04);
    return [axis.from === low ? low : low - more, axis.to === high ? high : high + more];
  }

  across(where) {
    const [low, high] = this.range.x;
    return MARGIN.left + (where - low) / (high - low) * this.inner.width;
  }

  down(where) {
    const [low, high] = this.range.y;
    return MARGIN.top + (high - where) / (high - low) * this.inner.height;
  }

  // Places on both axes of a point in pixels.
  at(px, py) {
    const {x, y} = this.range;
    return {x: x[0] + (px - MARGIN.left) / this.inner.width * (x[1] - x[0]),
            y: y[1] - (py - MARGIN.top) / this.inner.height * (y[1] - y[0])};
  }

  zoomTo(x, y) {
    const home = this.home();
    if (!home) return;
    const within = ([low, high], [least, most]) => [Math.max(low, least), Math.min(high, most)];
    const smallest = (range) => (range[1] - range[0]) * 1e-6;
    const wanted = {x: within(x, home.x), y: within(y, home.y)};
    if (wanted.x[1] - wanted.x[0] < smallest(home.x)) return;
    if (wanted.y[1] - wanted.y[0] < smallest(home.y)) return;
    const all = wanted.x.every((v, n) => v === home.x[n]) && wanted.y.every((v, n) => v === home.y[n]);
    this.zoom = all ? null : wanted;
    this.draw();
    for (const other of this.linked) other.follow(wanted.x);
  }

  follow(x) {
    const home = this.home();
    if (!home) return;
    const y = this.zoom ? this.zoom.y : home.y;
    const all = x[0] <= home.x[0] && x[1] >= home.x[1] && !this.zoom;
    this.zoom = all ? null : {x, y};
    this.draw();
  }

  reset() {
    for (const plot of [this, ...this.linked]) {
      plot.zoom = null;
      plot.draw();
    }
  }

  draw() {
    const width = Math.max(this.frame.clientWidth, 200);
    const height = Math.round(Math.min(380, Math.max(250, width * 0.56)));
    this.inner = {width: width - MARGIN.left - MARGIN.right,
                  height: height - MARGIN.top - MARGIN.bottom};
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.replaceChildren();
    this.tip.hidden = true;
    const home = this.home();
    this.resetButton.hidden = this.zoom === null;
    this.range = this.zoom || home;
    this.tellNotes();
    if (!home) {
      make("text", {x: width / 2, y: height / 2, class: "empty"}, this.svg,
           this.spec.curves.length ? "every curve is switched off" : "there are no figures");
      delete this.holder.dataset.x;
      return;
    }
    this.holder.dataset.x = this.range.x.map((v) => valueAt(this.spec.x, v)).join(" ");
    this.holder.dataset.y = this.range.y.map((v) => valueAt(this.spec.y, v)).join(" ");
    this.drawAxes(width, height);
    this.drawCurves();
    this.cursor = make("line", {class: "cursor", y1: MARGIN.top,
                                y2: MARGIN.top + this.inner.height, visibility: "hidden"}, this.svg);
    this.box = make("rect", {class: "box", visibility: "hidden"}, this.svg);
  }

  tellNotes() {
    this.note.replaceChildren(this.spec.note || "");
    if (!this.beyond || !(this.beyond.length || this.uncapped)) return;
    const text = this.beyond.map(({top, curve}) => (
      `${curve.name} (up to ${valueText(this.spec.y.kind, valueAt(this.spec.y, top))})`));
    if (text.length) this.note.append(` Beyond the frame: ${text.join(", ")}. `);
    const button = make("button", {type: "button", class: "link"}, this.note,
                        this.uncapped ? "closer" : "show all");
    button.addEventListener("click", () => {
      this.uncapped = !this.uncapped;
      this.zoom = null;
      this.draw();
    });
  }

  drawAxes(width, height) {
    const {x, y} = this.spec, {left, top} = MARGIN;
    const bottom = top + this.inner.height, right = left + this.inner.width;
    const grid = make("g", {class: "axes"}, this.svg);
    const xs = ticks(x, ...this.range.x, Math.max(3, Math.floor(this.inner.width / 75)));
    for (const {where, text} of xs.list) {
      const at = this.across(where);
      make("line", {x1: at, x2: at, y1: top, y2: bottom}, grid);
      make("text", {x: at, y: bottom + 16, class: "tick x"}, grid, text);
    }
    const ys = ticks(y, ...this.range.y, Math.max(3, Math.floor(this.inner.height / 38)));
    for (const {where, text} of ys.list) {
      const at = this.down(where);
      make("line", {x1: left, x2: right, y1: at, y2: at}, grid);
      make("text", {x: left - 7, y: at + 4, class: "tick y"}, grid, text);
    }
    make("rect", {x: left, y: top, width: this.inner.width, height: this.inner.height,
                  class: "edge"}, grid);
    make("text", {x: left + this.inner.width / 2, y: height - 7, class: "name"}, grid,
         axisTitle(x, xs.unit));
    make("text", {x: 0, y: 0, class: "name",
                  transform: `translate(13 ${top + this.inner.height / 2}) rotate(-90)`}, grid,
         axisTitle(y, ys.unit));
  }

  drawCurves() {
    const clip = make("clipPath", {id: `clip${this.number}`}, make("defs", {}, this.svg));
    make("rect", {x: MARGIN.left, y: MARGIN.top, width: this.inner.width,
                  height: this.inner.height}, clip);
    const layer = make("g", {"clip-path": `url(#clip${this.number})`}, this.svg);
    for (const curve of this.visible) if (curve.low) drawBand(this, layer, curve);
    for (const curve of this.visible) drawCurve(this, layer, curve);
    drawNames(this);
  }

  // Where values lie on the screen, without those that the axes cannot show.
  pixels(xs, ys) {
    const found = [];
    for (let n = 0; n < xs.length; n++) {
      const x = place(this.spec.x, xs[n]), y = place(this.spec.y, ys[n]);
      if (x !== null && y !== null) {
        found.push([Number(this.across(x).toFixed(1)), Number(this.down(y).toFixed(1)), n]);
      }
    }
    return found;
  }
}

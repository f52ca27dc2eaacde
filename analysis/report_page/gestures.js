"use strict";
// What mouse, fingers and keys do on a plot.

// ---- hovering

function nearby(plot, px, py) {
  const x = valueAt(plot.spec.x, plot.at(px, py).x);
  const found = [];
  for (const curve of plot.visible) {
    if (curve.silent) continue;
    if (curve.shape === "points") {
      for (const [cx, cy, index] of plot.pixels(curve.xs, curve.ys)) {
        found.push({curve, index, far: Math.hypot(cx - px, cy - py)});
      }
    } else {
      const index = indexAt(curve, x);
      const y = index < 0 ? null : place(plot.spec.y, curve.ys[index]);
      if (y !== null) found.push({curve, index, far: Math.abs(plot.down(y) - py)});
    }
  }
  return {x, found};
}

function showTip(plot, px, py) {
  if (!plot.range) return;
  const {x, found} = nearby(plot, px, py);
  const inside = px >= MARGIN.left && px <= MARGIN.left + plot.inner.width;
  const nearest = found.reduce((a, b) => (a && a.far <= b.far ? a : b), null);
  const single = nearest && nearest.curve.shape === "points";
  if (!nearest || !inside || (single && nearest.far > 40)) return hideTip(plot);
  plot.tip.replaceChildren();
  const {spec} = plot;
  const rows = single ? [nearest] : found;
  const title = single ? valueText(spec.x.kind, nearest.curve.xs[nearest.index])
    : valueText(spec.x.kind, x);
  make("div", {class: "tip-x"}, plot.tip, `${spec.x.short ? spec.x.short + " " : ""}${title}`);
  rows.sort((a, b) => b.curve.ys[b.index] - a.curve.ys[a.index]);
  for (const row of rows) {
    const line = make("div", {class: row === nearest ? "near" : ""}, plot.tip);
    make("i", {class: "swatch", style: `--c: ${row.curve.colour}`}, line);
    make("span", {}, line, row.curve.name || row.curve.title);
    make("b", {}, line, valueText(spec.y.kind, row.curve.ys[row.index]));
  }
  if (spec.y.short) make("div", {class: "tip-y"}, plot.tip, spec.y.short);
  plot.tip.hidden = false;
  const wide = plot.frame.clientWidth, tip = plot.tip;
  tip.style.left = `${px > wide / 2 ? Math.max(0, px - tip.offsetWidth - 16) : Math.min(px + 16, wide - tip.offsetWidth)}px`;
  tip.style.top = `${Math.max(0, Math.min(py - 20, plot.frame.clientHeight - tip.offsetHeight))}px`;
  plot.cursor.setAttribute("visibility", single ? "hidden" : "visible");
  plot.cursor.setAttribute("x1", px);
  plot.cursor.setAttribute("x2", px);
  for (const path of plot.svg.querySelectorAll("[data-algorithm]")) {
    path.classList.toggle("near", path.dataset.algorithm === nearest.curve.name);
  }
}

function hideTip(plot) {
  plot.tip.hidden = true;
  if (plot.cursor) plot.cursor.setAttribute("visibility", "hidden");
  for (const path of plot.svg.querySelectorAll(".near")) path.classList.remove("near");
}

// ---- zooming

// Everything `factor` times as wide, around a point in pixels.
function zoomAround(plot, px, py, factor) {
  const {x, y} = plot.at(px, py);
  const scaled = ([low, high], at) => [at - (at - low) * factor, at + (high - at) * factor];
  plot.zoomTo(scaled(plot.range.x, x), scaled(plot.range.y, y));
}

function shift(plot, across, up) {
  const home = plot.home();
  const moved = ([low, high], by, [least, most]) => {
    const step = Math.min(Math.max((high - low) * by, least - low), most - high);
    return [low + step, high + step];
  };
  plot.zoomTo(moved(plot.range.x, across, home.x), moved(plot.range.y, up, home.y));
}

function onKey(plot, event) {
  const middle = [MARGIN.left + plot.inner.width / 2, MARGIN.top + plot.inner.height / 2];
  const action = {"+": () => zoomAround(plot, ...middle, 0.7),
                  "-": () => zoomAround(plot, ...middle, 1 / 0.7),
                  "0": () => plot.reset(), Escape: () => plot.reset(),
                  ArrowLeft: () => shift(plot, -0.2, 0), ArrowRight: () => shift(plot, 0.2, 0),
                  ArrowUp: () => shift(plot, 0, 0.2), ArrowDown: () => shift(plot, 0, -0.2),
  }[event.key];
  if (!action || !plot.range || event.ctrlKey || event.metaKey) return;
  if (event.key.startsWith("Arrow") && !plot.zoom) return;
  event.preventDefault();
  action();
}

function zoomToBox(plot, from, to) {
  if (Math.abs(from.px - to.px) < 6 || Math.abs(from.py - to.py) < 6) return;
  const a = plot.at(from.px, from.py), b = plot.at(to.px, to.py);
  plot.zoomTo([Math.min(a.x, b.x), Math.max(a.x, b.x)], [Math.min(a.y, b.y), Math.max(a.y, b.y)]);
}

function drawBox(plot, from, to) {
  const box = {x: Math.min(from.px, to.px), y: Math.min(from.py, to.py),
               width: Math.abs(from.px - to.px), height: Math.abs(from.py - to.py),
               visibility: "visible"};
  for (const [name, value] of Object.entries(box)) plot.box.setAttribute(name, value);
}

function pinch(plot, before, after) {
  const apart = ([a, b]) => Math.hypot(a.px - b.px, a.py - b.py);
  const [a, b] = after;
  if (apart(after) < 10) return;
  zoomAround(plot, (a.px + b.px) / 2, (a.py + b.py) / 2, apart(before) / apart(after));
}

function addGestures(plot) {
  const {svg} = plot;
  const down = new Map();
  let start = null;
  const spot = (event) => {
    const box = svg.getBoundingClientRect();
    return {px: Math.min(Math.max(event.clientX - box.left, MARGIN.left), box.width - MARGIN.right),
            py: Math.min(Math.max(event.clientY - box.top, MARGIN.top), box.height - MARGIN.bottom)};
  };
  svg.addEventListener("pointerdown", (event) => {
    if (!plot.range || event.button !== 0) return;
    svg.setPointerCapture(event.pointerId);
    down.set(event.pointerId, spot(event));
    start = down.size === 1 && event.pointerType !== "touch" ? spot(event) : null;
    if (event.pointerType === "touch" && down.size === 1) showTip(plot, spot(event).px, spot(event).py);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!plot.range) return;
    const here = spot(event);
    if (down.size === 2 && down.has(event.pointerId)) {
      const before = [...down.values()];
      down.set(event.pointerId, here);
      return pinch(plot, before, [...down.values()]);
    }
    if (down.has(event.pointerId)) down.set(event.pointerId, here);
    if (start) { hideTip(plot); return drawBox(plot, start, here); }
    showTip(plot, here.px, here.py);
  });
  const end = (event) => {
    down.delete(event.pointerId);
    if (start && plot.range) {
      plot.box.setAttribute("visibility", "hidden");
      if (event.type === "pointerup") zoomToBox(plot, start, spot(event));
    }
    start = null;
  };
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", end);
  svg.addEventListener("pointerleave", () => {
    if (down.size) return;
    hideTip(plot);
    svg.blur();
  });
  svg.addEventListener("dblclick", () => plot.reset());
  svg.addEventListener("keydown", (event) => onKey(plot, event));
  svg.addEventListener("wheel", (event) => {
    // A page full of plots must still scroll: the wheel zooms the plot that was clicked.
    if (!plot.range || !(event.ctrlKey || document.activeElement === svg)) return;
    event.preventDefault();
    const here = spot(event);
    zoomAround(plot, here.px, here.py, event.deltaY > 0 ? 1.25 : 0.8);
  }, {passive: false});
}

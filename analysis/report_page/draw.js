"use strict";
// Drawing the curves of a plot: lines, steps, areas, bands, markers and their names.

function drawBand(plot, layer, curve) {
  const upper = plot.pixels(curve.xs, curve.high);
  const lower = plot.pixels(curve.xs, curve.low).reverse();
  if (upper.length < 2 || !lower.length) return;
  const path = [...upper, ...lower].map(([px, py]) => `${px} ${py}`).join("L");
  make("path", {d: `M${path}Z`, class: "band", style: `fill: ${curve.colour}`}, layer);
}

function drawCurve(plot, layer, curve) {
  const points = plot.pixels(curve.xs, curve.ys);
  if (!points.length) return;
  let path = `M${points[0][0]} ${points[0][1]}`;
  if (curve.shape === "until") path = `M${MARGIN.left} ${points[0][1]}H${points[0][0]}`;
  for (let n = 1; n < points.length; n++) {
    const [x, y, index] = points[n];
    if (index !== points[n - 1][2] + 1) path += `M${x} ${y}`;
    else if (curve.shape === "after") path += `H${x}V${y}`;
    else if (curve.shape === "until") path += `V${y}H${x}`;
    else path += `L${x} ${y}`;
  }
  const bottom = MARGIN.top + plot.inner.height;
  const attributes = {class: "curve", "data-algorithm": curve.name || ""};
  if (curve.shape === "area") {
    path += `V${bottom}H${points[0][0]}Z`;
    Object.assign(attributes, {class: "area"});
  } else {
    attributes.style = `stroke: ${curve.colour}`;
    if (curve.dash) attributes["stroke-dasharray"] = curve.dash;
  }
  if (!curve.loose) make("path", {...attributes, d: path}, layer);
  if (curve.shape === "points" || curve.shape === "until") {
    const marked = curve.shape === "until" ? points.slice(-1) : points;
    for (const [x, y] of marked) {
      make("circle", {cx: x, cy: y, r: curve.loose ? 5 : 3.2, class: "mark",
                      "data-algorithm": curve.name || "",
                      style: curve.dash ? `stroke: ${curve.colour}; fill: var(--paper)`
                                        : `stroke: ${curve.colour}; fill: ${curve.colour}`}, layer);
    }
  }
}

// Names beside the markers of a scatter plot, where they cover neither markers nor names.
function drawNames(plot) {
  const right = MARGIN.left + plot.inner.width, bottom = MARGIN.top + plot.inner.height;
  const named = plot.visible.filter((curve) => curve.loose).map((curve) => (
    {name: curve.name, at: plot.pixels(curve.xs, curve.ys)[0]})).filter(({at}) => (
    at && at[0] >= MARGIN.left && at[0] <= right && at[1] >= MARGIN.top && at[1] <= bottom));
  const taken = named.map(({at: [x, y]}) => ({left: x - 7, right: x + 7, top: y - 7, bottom: y + 7}));
  const layer = make("g", {class: "names"}, plot.svg);
  for (const {name, at: [x, y]} of named) {
    const text = make("text", {class: "label"}, layer, name);
    const wide = text.getComputedTextLength() + 2;
    const places = [[10, 0], [-10 - wide, 0], [-wide / 2, -15], [-wide / 2, 15]];
    for (const down of [14, -14, 28, -28, 42, -42]) {
      places.push([8, down], [-8 - wide, down], [-wide / 2, down]);
    }
    const boxes = places.map(([across, down]) => (
      {left: x + across, right: x + across + wide, top: y + down - 6, bottom: y + down + 7, down}));
    const free = boxes.find((box) => (
      box.left >= MARGIN.left && box.right <= right + MARGIN.right && box.top >= 0 &&
      box.bottom <= bottom && !taken.some((other) => (
        box.left < other.right && other.left < box.right &&
        box.top < other.bottom && other.top < box.bottom))));
    if (!free) {  // hovering still tells the name
      text.remove();
      continue;
    }
    taken.push(free);
    const middle = (free.left + free.right) / 2;
    if (Math.abs(free.down) > 20) {
      make("line", {x1: x, y1: y, x2: middle, y2: free.down > 0 ? free.top : free.bottom}, layer);
    }
    text.setAttribute("x", middle);
    text.setAttribute("y", free.bottom - 3);
  }
}

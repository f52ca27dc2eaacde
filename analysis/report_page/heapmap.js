"use strict";
// Heap maps: the pages of the pool down, the trace across, how full each page is as colour.

const HEAT = {left: 58, right: 18, top: 8, bottom: 40, height: 300};

// From nearly empty, which is waste, to full; to be told apart on light and on dark paper,
// and by colour-blind readers.
const SHADES = [[215, 48, 39], [244, 109, 67], [253, 174, 97], [254, 224, 144], [171, 217, 233],
                [116, 173, 209], [69, 117, 180]];

function shade(level) {
  const at = level * (SHADES.length - 1), n = Math.min(Math.floor(at), SHADES.length - 2);
  return SHADES[n].map((c, i) => Math.round(c + (SHADES[n + 1][i] - c) * (at - n)));
}

const FULLNESS = new Map([...data.levels].map((letter, n) => (
  [letter, n === 0 ? null : (n - 1) / (data.levels.length - 2)])));

function heatImage(map) {
  const image = document.createElement("canvas");
  image.width = map.index.length;
  image.height = map.rows;
  const context = image.getContext("2d");
  const pixels = context.createImageData(image.width, image.height);
  for (let column = 0; column < image.width; column++) {
    for (let row = 0; row < map.rows; row++) {
      const level = FULLNESS.get(map.cells[column * map.rows + row]);
      if (level === null) continue;
      pixels.data.set([...shade(level), 255], 4 * (row * image.width + column));
    }
  }
  context.putImageData(pixels, 0, 0);
  return image;
}

class HeapMap {
  constructor(parent, group, rows, chosen) {
    this.group = group;
    this.rows = rows;
    const box = make("div", {class: "heapmap"}, parent);
    const head = make("label", {}, make("div", {class: "plot-head"}, box), "Pages of ");
    this.select = make("select", {}, head);
    for (const {algorithm} of rows) make("option", {value: algorithm}, this.select, algorithm);
    this.select.value = chosen;
    this.select.addEventListener("change", () => group.draw());
    this.frame = make("div", {class: "frame"}, box);
    this.canvas = make("canvas", {role: "img"}, this.frame);
    this.tip = make("div", {class: "tip", hidden: ""}, this.frame);
    this.canvas.addEventListener("pointermove", (event) => this.tell(event));
    this.canvas.addEventListener("pointerdown", (event) => this.tell(event));
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
  }

  get map() {
    return this.rows.find(({algorithm}) => algorithm === this.select.value).heat;
  }

  get pages() {
    return this.map.rows * this.map.pages_per_row;
  }

  draw(pages) {
    const width = Math.max(this.frame.clientWidth, 200), scale = window.devicePixelRatio || 1;
    this.inner = {width: width - HEAT.left - HEAT.right,
                  height: HEAT.height - HEAT.top - HEAT.bottom};
    this.most = pages;
    Object.assign(this.canvas, {width: width * scale, height: HEAT.height * scale});
    this.canvas.style.height = `${HEAT.height}px`;
    this.canvas.setAttribute("aria-label", `Fullness of the pages of ${this.select.value}`);
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.imageSmoothingEnabled = false;
    const image = heatImage(this.map);
    if (image.width && image.height) {
      context.drawImage(image, HEAT.left, HEAT.top, this.inner.width,
                        this.inner.height * this.pages / pages);
    }
    this.drawAxes(context);
  }

  drawAxes(context) {
    const {left, top} = HEAT, {width, height} = this.inner;
    const style = getComputedStyle(this.canvas);
    context.fillStyle = context.strokeStyle = style.color;
    context.font = `12px ${style.fontFamily}`;
    context.globalAlpha = 0.35;
    context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
    context.globalAlpha = 1;
    const x = {kind: "events", title: "events replayed"}, y = {kind: "number"};
    context.textAlign = "center";
    const events = Math.max(this.group.run.events, 1);
    const across = ticks(x, 0, events, Math.max(3, width / 90));
    for (const {where, text} of across.list) {
      context.fillText(text, left + where / events * width, top + height + 15);
    }
    context.fillText(axisTitle(x, across.unit), left + width / 2, HEAT.height - 6);
    context.textAlign = "right";
    for (const {where, text} of ticks(y, 0, this.most, 6).list) {
      context.fillText(text, left - 6, top + where / this.most * height + 4);
    }
    context.translate(12, top + height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText("page in the pool", 0, 0);
  }

  tell(event) {
    const box = this.canvas.getBoundingClientRect(), map = this.map;
    const px = event.clientX - box.left, py = event.clientY - box.top;
    const column = Math.floor((px - HEAT.left) / this.inner.width * map.index.length);
    const row = Math.floor((py - HEAT.top) / this.inner.height * this.most / map.pages_per_row);
    if (column < 0 || column >= map.index.length || row < 0 || row >= map.rows) {
      this.tip.hidden = true;
      return;
    }
    const level = FULLNESS.get(map.cells[column * map.rows + row]);
    const first = row * map.pages_per_row, last = first + map.pages_per_row - 1;
    this.tip.replaceChildren();
    make("div", {class: "tip-x"}, this.tip, valueText("events", map.index[column]));
    make("div", {}, this.tip, first === last ? `page ${first}` : `pages ${first} to ${last}`);
    make("div", {}, this.tip, level === null ? "not held" : `${Math.round(level * 100)} % full`);
    this.tip.hidden = false;
    this.tip.style.left = `${Math.max(0, px > box.width / 2 ? px - this.tip.offsetWidth - 14 : px + 14)}px`;
    this.tip.style.top = `${Math.max(0, Math.min(py, box.height - this.tip.offsetHeight))}px`;
  }
}

// Two maps side by side on one scale of pages, so that they can be compared.
class HeapMaps {
  constructor(holder, run) {
    this.run = run;
    const rows = run.rows.filter((row) => row.heat && row.heat.cells.length);
    if (!rows.length) { holder.hidden = true; this.maps = []; return; }
    make("h3", {}, holder, "How full each page is");
    const pair = make("div", {class: "pair"}, holder);
    const ranked = [...rows].sort((a, b) => a.penalty - b.penalty);
    this.maps = [new HeapMap(pair, this, rows, ranked[0].algorithm)];
    const other = ranked[Math.min(ranked.length - 1, Math.ceil(ranked.length / 2))];
    if (rows.length > 1) this.maps.push(new HeapMap(pair, this, rows, other.algorithm));
    const legend = make("div", {class: "scale"}, holder);
    make("span", {}, legend, "nearly empty, or control data");
    const bar = make("i", {}, legend);
    bar.style.background = `linear-gradient(90deg, ${SHADES.map((c) => `rgb(${c})`).join(", ")})`;
    make("span", {}, legend, "full of requested bytes; no colour: page not held");
  }

  draw() {
    const pages = Math.max(1, ...this.maps.map((map) => map.pages));
    for (const map of this.maps) map.draw(pages);
  }
}

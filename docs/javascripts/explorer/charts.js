// Curves by layer, as SVG in the colours of the page (`explorer.css`). A chart draws numbers that it is
// given, and knows not what they mean.

import { formatted, power } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 220;
const MARGIN = { top: 22, right: 14, bottom: 30, left: 46 };
const DECADES_BESIDE = 2; // how far the other curve may stretch the axis beyond ours
let charts = 0;

// A chart inside a figure, which `draw` redraws with { ours, keras, scale, mark, label }:
//
// - ours, keras: a number for each layer; keras may be null
// - scale: "log", or [low, high] for an even axis
// - mark: null, or { value, text, place } for a dotted line, its text "left", above it, or "right", below
// - label: what the curves are, for those who do not see them
export class Chart {
  constructor(figure) {
    this.svg = create("svg", { class: "explorer-chart", role: "img", height: HEIGHT });
    this.clip = `explorer-clip-${charts++}`;
    figure.append(this.svg);
    this.data = null;
    this.layer = null;
    new ResizeObserver(() => this.#redraw()).observe(figure);
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.#leave());
  }

  draw(data) {
    this.data = data;
    if (this.layer > data.ours.length) this.layer = null;
    this.#redraw();
  }

  #redraw() {
    const width = this.svg.parentElement.clientWidth;
    if (this.data === null || width === 0) return;
    const { ours, keras, scale, mark, label } = this.data;
    const depth = ours.length;
    const y = scale === "log" ? logAxis(ours, keras, mark) : evenAxis(scale);
    const left = MARGIN.left;
    const right = width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    const height = bottom - MARGIN.top;
    const atLayer = (layer) => left + ((layer - 1) / (depth - 1)) * (right - left);
    const atValue = (value) => bottom - y.position(value) * height;
    this.scale = { left, right, depth };

    const clip = create("clipPath", { id: this.clip });
    clip.append(
      create("rect", { x: left, y: MARGIN.top - 3, width: right - left + 3, height: height + 6 }),
    );
    const parts = [clip];
    for (const { value, text } of y.ticks) {
      const at = atValue(value);
      parts.push(create("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }));
      parts.push(create("text", { class: "tick", x: left - 6, y: at + 4, "text-anchor": "end" }, text));
    }
    for (const layer of layerTicks(depth, width)) {
      const at = atLayer(layer);
      parts.push(create("line", { class: "axis", x1: at, x2: at, y1: bottom, y2: bottom + 4 }));
      parts.push(
        create("text", { class: "tick", x: at, y: bottom + 17, "text-anchor": "middle" }, String(layer)),
      );
    }
    parts.push(create("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
    const drawn = create("g", { "clip-path": `url(#${this.clip})` });
    if (mark !== null) {
      const at = atValue(mark.value);
      drawn.append(create("line", { class: "mark", x1: left, x2: right, y1: at, y2: at }));
      const place =
        mark.place === "left"
          ? { x: left + 4, y: at - 5, "text-anchor": "start" }
          : { x: right, y: at + 13, "text-anchor": "end" };
      parts.push(create("text", place, mark.text));
    }
    if (keras !== null) drawn.append(curve("keras", keras, atLayer, atValue));
    drawn.append(curve("ours", ours, atLayer, atValue));
    parts.push(drawn);
    if (this.layer !== null) parts.push(...this.#cursor(atLayer, atValue));
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute("aria-label", label);
    this.svg.replaceChildren(...parts);
  }

  // The values at the layer under the pointer.
  #cursor(atLayer, atValue) {
    const { ours, keras } = this.data;
    const { right } = this.scale;
    const x = atLayer(this.layer);
    const drawn = create("g", { class: "cursor" });
    drawn.append(
      create("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }),
    );
    const value = ours[this.layer - 1];
    drawn.append(create("circle", { class: "ours", cx: x, cy: atValue(value), r: 3.5 }));
    const texts = [`layer ${this.layer}: ${formatted(value)}`];
    if (keras !== null) texts.push(`Keras ${formatted(keras[this.layer - 1])}`);
    const place = { class: "readout", x: right, y: 12, "text-anchor": "end" };
    drawn.append(create("text", place, texts.join(" · ")));
    return [drawn];
  }

  #point(event) {
    if (this.data === null) return;
    const { left, right, depth } = this.scale;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const part = Math.min(Math.max((x - left) / (right - left), 0), 1);
    this.layer = 1 + Math.round(part * (depth - 1));
    this.#redraw();
  }

  #leave() {
    this.layer = null;
    this.#redraw();
  }
}

function create(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

function curve(name, values, atLayer, atValue) {
  const points = values.map((value, i) => `${atLayer(i + 1).toFixed(1)},${atValue(value).toFixed(1)}`);
  return create("polyline", { class: name, points: points.join(" ") });
}

// ---------------------------------------------------------------------------------------------
// Axes
// ---------------------------------------------------------------------------------------------

function logAxis(ours, keras, mark) {
  const decades = (values) => values.filter((value) => value > 0).map(Math.log10);
  const own = decades(mark === null ? ours : [...ours, mark.value]);
  let low = least(own);
  let high = most(own);
  if (keras !== null && decades(keras).length > 0) {
    const others = decades(keras);
    low = Math.min(low, Math.max(least(others), low - DECADES_BESIDE));
    high = Math.max(high, Math.min(most(others), high + DECADES_BESIDE));
  }
  // Some room, and not less than a factor of three in all.
  const room = Math.max(0.06 * (high - low), (0.5 - (high - low)) / 2, 0.05);
  low -= room;
  high += room;
  const position = (value) => (Math.max(Math.log10(value), low - 9) - low) / (high - low);
  return { position, ticks: logTicks(low, high) };
}

// Not `Math.max(...values)`, whose arguments may be too many.
const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);

function logTicks(low, high) {
  const step = Math.max(1, Math.ceil((high - low) / 5));
  const factors = high - low < 0.8 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : high - low < 2.2 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let decade = Math.floor(low); decade <= high; decade++) {
    if (decade % step !== 0) continue;
    for (const factor of factors) {
      const at = decade + Math.log10(factor);
      if (at < low || at > high) continue;
      const value = factor * 10 ** decade;
      const plain = decade >= -3 && decade <= 3;
      ticks.push({ value, text: plain ? String(Number(value.toPrecision(3))) : power(decade) });
    }
  }
  return ticks;
}

function evenAxis([low, high]) {
  const ticks = [];
  for (let i = 0; i <= 5; i++) {
    const value = low + ((high - low) * i) / 5;
    ticks.push({ value, text: String(Number(value.toPrecision(3))) });
  }
  return { position: (value) => (value - low) / (high - low), ticks };
}

// Layer 1, and round numbers: as many as there is room for.
function layerTicks(depth, width) {
  const most = width < 420 ? 4 : 6;
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500];
  const step = steps.find((each) => depth / each <= most) ?? 500;
  const ticks = [1];
  for (let layer = step; layer <= depth; layer += step) {
    if (layer > 1 && layer - 1 >= step / 2) ticks.push(layer);
  }
  return ticks;
}

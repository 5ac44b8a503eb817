// The page: reads the controls and the address, and shows predictions.

import { Chart } from "./charts.js";
import { formatted } from "./format.js";
import { ACTIVATIONS } from "./mathematics.js";
import { DEFAULTS, isSlow, predictions, python } from "./predictions.js";

const PAUSE = 150; // milliseconds without a change, before slow curves and the address follow
const CHUNK = 40; // milliseconds of work at a time

// ---------------------------------------------------------------------------------------------
// The controls
// ---------------------------------------------------------------------------------------------

// Steps of a slider that look the same at every size: ten to the 0, 1, ... times these.
function stops(low, high, factors) {
  const found = [];
  for (let decade = Math.floor(Math.log10(low)); 10 ** decade <= high; decade++) {
    for (const factor of factors) {
      const value = Number((factor * 10 ** decade).toPrecision(3));
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}

const range = (low, high, step) =>
  Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) =>
    Number((low + i * step).toPrecision(3)),
  );
const ROUND = [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];

// What may be typed, and where a slider stops.
const FIELDS = {
  order: { low: 1, high: 20, stops: [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20] },
  amplitude: { low: 0.01, high: 100, stops: stops(0.1, 10, [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8]) },
  rate: { low: 0.01, high: 100, stops: stops(0.1, 10, [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8]) },
  depth: { low: 2, high: 1000, whole: true, stops: [...range(2, 20, 1), ...stops(25, 1000, [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9])] },
  width: { low: 2, high: 16384, whole: true, stops: [4, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096] },
  negative_rate: { low: 0.01, high: 0.49, stops: range(0.01, 0.49, 0.01) },
  input_std: { low: 0.001, high: 1000, stops: stops(0.01, 100, ROUND) },
  inputs: { low: 1, high: 8, whole: true, stops: range(1, 8, 1) },
};
const CHOICES = {
  kernel: ["rotation", "diagonal"],
  input: ["data", "few"],
  activation: Object.keys(ACTIVATIONS),
};

// Which fields count for a setting.
const APPLIES = {
  order: (settings) => settings.activation === "algebraic",
  negative_rate: (settings) => settings.kernel === "diagonal",
  input_std: (settings) => settings.input === "data",
  inputs: (settings) => settings.input === "few",
};
const applies = (name, settings) => (APPLIES[name] ?? (() => true))(settings);

// What is wrong with a field's text; null if nothing is.
function complaint(name, text, settings) {
  const { low, high, whole } = FIELDS[name];
  const number = Number(text);
  const kind = whole ? "a whole number" : "a number";
  if (text.trim() === "" || !Number.isFinite(number) || (whole && !Number.isInteger(number))) {
    return `Give ${kind} from ${low} to ${high}.`;
  }
  if (number < low || number > high) return `Give ${kind} from ${low} to ${high}, not ${text.trim()}.`;
  if (name === "width" && settings.input === "few" && number <= settings.inputs) {
    return `Give more units than there are inputs, ${settings.inputs}.`;
  }
  return null;
}

// ---------------------------------------------------------------------------------------------
// What is shown
// ---------------------------------------------------------------------------------------------

// Of each number its name and how many digits matter.
const NAMES = {
  critical_gain: ["Critical gain ω, one over the slope at 0", 4],
  gain: ["Gain g, relative to the critical gain", 4],
  chi: ["χ, growth of a squared gradient in a layer", 5],
  spread: ["Spread that the layers keep up", 3],
  first_gain: ["Gain of the first layer, relative to the critical gain", 3],
  kernel_std: ["Standard deviation of a kernel's entries", 3],
  noise_std: ["Standard deviation of a kernel's noise", 3],
  first_kernel_std: ["Standard deviation of the first kernel's entries", 3],
  noise_scale: ["Noise scale κ / √depth", 3],
  kappa: ["κ", 3],
  last_spread: ["Spread at the last layer", 3],
  last_negative_rate: ["Negative rate at the last layer", 3],
  last_growth: ["Growth of a squared gradient from layer 1 to the last", 3],
  last_first: ["First derivative at the last layer", 3],
  last_second: ["Second derivative at the last layer", 3],
};
// The three that matter most, by kernel and input, with short names.
const MAIN = {
  rotation: {
    data: { gain: "gain g", chi: "growth χ", spread: "spread kept up" },
    few: { gain: "gain g", last_first: "u<sub>x</sub> at the end", last_second: "u<sub>xx</sub> at the end" },
  },
  diagonal: {
    data: { noise_scale: "noise scale", last_spread: "spread at the end", last_negative_rate: "negative rate at the end" },
    few: { noise_scale: "noise scale", last_first: "u<sub>x</sub> at the end", last_second: "u<sub>xx</sub> at the end" },
  },
};
const CHARTS = {
  spread: { scale: "log", says: "Spread" },
  negative_rate: { scale: [0, 0.5], says: "Negative rate" },
  growth: { scale: "log", says: "Growth of a squared gradient" },
  first: { scale: "log", says: "First derivative" },
  second: { scale: "log", says: "Second derivative" },
};

function chartsOf({ kernel, input }) {
  const signs = kernel === "diagonal" ? ["negative_rate"] : [];
  if (input === "few") return ["spread", ...signs, "first", "second"];
  return ["spread", ...signs, ...(kernel === "rotation" ? ["growth"] : [])];
}

function markOf(chart, { numbers, settings }) {
  if (chart === "negative_rate") {
    return { value: settings.negative_rate, text: `target ${settings.negative_rate}`, place: "left" };
  }
  if (chart === "growth") return { value: Math.E, text: "a factor e", place: "right" };
  return null;
}

function hintOf({ kernel, activation, order, depth }) {
  const kinked = activation === "softsign" || (activation === "algebraic" && order < 1.5);
  if (kernel === "diagonal" && kinked && depth >= 50) {
    return "With softsign the identity plus noise falls behind in training from 50 layers on: take the rotation.";
  }
  return null;
}

class Page {
  constructor(root) {
    this.root = root;
    this.form = root.querySelector("form");
    this.find = (selector) => root.querySelector(selector);
    this.charts = {};
    for (const figure of root.querySelectorAll("[data-chart]")) {
      this.charts[figure.dataset.chart] = { figure, chart: new Chart(figure) };
    }
    this.texts = {}; // what stands in each field
    this.settings = { ...DEFAULTS }; // the last that could be read
    this.run = 0; // the number of the latest change: slower work for an older one ends
    this.#prepare();
    this.#readAddress();
    this.form.addEventListener("input", (event) => this.#changed(event.target));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.#apply(DEFAULTS);
    });
    addEventListener("hashchange", () => this.#readAddress());
    for (const button of root.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => this.#copy(button));
    }
  }

  #prepare() {
    const select = this.form.elements.activation;
    for (const [name, { title }] of Object.entries(ACTIVATIONS)) select.add(new Option(title, name));
    for (const [name, { stops }] of Object.entries(FIELDS)) {
      const field = this.#field(name);
      field.slider.min = 0;
      field.slider.max = stops.length - 1;
      field.slider.step = 1;
      const label = field.box.querySelector("label");
      field.slider.setAttribute("aria-label", `${label.firstChild.textContent.trim()}, slider`);
      field.error.id = `explorer-${name}-error`;
      field.error.setAttribute("role", "alert");
      field.number.setAttribute("aria-describedby", field.error.id);
    }
  }

  #field(name) {
    const box = this.find(`[data-field="${name}"]`);
    return {
      box,
      number: box.querySelector("input[type=text]"),
      slider: box.querySelector("input[type=range]"),
      error: box.querySelector(".explorer-error"),
    };
  }

  // ---- settings ----

  #changed(control) {
    const box = control.closest("[data-field]");
    if (box !== null) {
      const name = box.dataset.field;
      const value = control.type === "range" ? FIELDS[name].stops[control.value] : control.value;
      this.texts[name] = String(value);
    } else if (control.name in CHOICES) {
      this.texts[control.name] = control.value;
      if (control.name === "input") this.#followInput(control.value);
    }
    this.#update(control.type === "range" ? null : control);
  }

  // The default of the negative rate is another for a few inputs.
  #followInput(input) {
    const [before, after] = input === "few" ? ["0.3", "0.1"] : ["0.1", "0.3"];
    if (this.texts.negative_rate === before) this.texts.negative_rate = after;
  }

  #apply(settings) {
    for (const name of Object.keys(DEFAULTS)) this.texts[name] = String(settings[name]);
    this.#update(null);
  }

  #readAddress() {
    const text = location.hash.slice(1);
    if (text !== "" && !text.includes("=")) return; // a heading of the page
    const given = Object.fromEntries(new URLSearchParams(text));
    const defaults = { ...DEFAULTS, negative_rate: given.input === "few" ? 0.1 : 0.3 };
    this.#apply({ ...defaults, ...given });
  }

  #writeAddress() {
    const defaults = { ...DEFAULTS, negative_rate: this.settings.input === "few" ? 0.1 : 0.3 };
    const others = Object.entries(this.settings).filter(
      ([name, value]) => applies(name, this.settings) && value !== defaults[name],
    );
    const text = new URLSearchParams(others).toString();
    if (text === "" && !location.hash.includes("=")) return;
    history.replaceState(null, "", text === "" ? location.pathname + location.search : `#${text}`);
  }

  // Reads the texts, and shows what is wrong with them. `typed` is the field that is being typed in:
  // its text is left as it is.
  #update(typed) {
    const settings = { ...this.settings };
    for (const [name, choices] of Object.entries(CHOICES)) {
      settings[name] = choices.includes(this.texts[name]) ? this.texts[name] : DEFAULTS[name];
    }
    let sound = true;
    const names = ["inputs", ...Object.keys(FIELDS).filter((name) => name !== "inputs")];
    for (const name of names) {
      const counts = applies(name, settings);
      const wrong = counts ? complaint(name, this.texts[name], settings) : null;
      if (wrong === null && complaint(name, this.texts[name], settings) === null) {
        settings[name] = Number(this.texts[name]);
      }
      sound = sound && wrong === null;
      this.#showField(name, counts, wrong, settings[name], typed);
    }
    for (const name of Object.keys(CHOICES)) this.form.elements[name].value = settings[name];
    this.root.classList.toggle("has-errors", !sound);
    if (!sound && this.results !== undefined) return;
    this.settings = settings;
    this.#predict();
  }

  #showField(name, counts, wrong, value, typed) {
    const { box, number, slider, error } = this.#field(name);
    box.hidden = !counts;
    if (number !== typed) number.value = this.texts[name];
    number.setAttribute("aria-invalid", String(wrong !== null));
    error.hidden = wrong === null;
    error.textContent = wrong ?? "";
    const { stops } = FIELDS[name];
    const distance = (stop) => Math.abs(Math.log(stop / value));
    const nearest = stops.reduce((best, stop, i) => (distance(stop) < distance(stops[best]) ? i : best), 0);
    slider.value = nearest;
    slider.setAttribute("aria-valuetext", String(value));
  }

  // ---- predictions ----

  #predict() {
    const run = ++this.run;
    const settings = this.settings;
    const work = predictions(settings);
    this.find("code").textContent = python(settings);
    clearTimeout(this.later);
    if (!isSlow(settings)) {
      let step = work.next();
      while (!step.done) step = work.next();
      this.#show(settings, step.value);
      this.later = setTimeout(() => this.#rest(), PAUSE);
      return;
    }
    // The closed forms at once, the rest when the sliders are left alone, a piece at a time.
    this.#show(settings, work.next().value);
    const goOn = () => {
      if (run !== this.run) return;
      const end = performance.now() + CHUNK;
      let step = work.next();
      while (!step.done && performance.now() < end) step = work.next();
      if (!step.done) {
        this.#showProgress(step.value.progress);
        this.later = setTimeout(goOn);
        return;
      }
      this.#show(settings, step.value);
      this.#rest();
    };
    this.later = setTimeout(goOn, PAUSE);
  }

  #showProgress(progress) {
    this.root.style.setProperty("--explorer-progress", progress);
  }

  // `results` may lack curves, and numbers that come from them.
  #show(settings, results) {
    const waiting = results.curves === undefined;
    this.results = { ...results, settings };
    this.find(".explorer-results").setAttribute("aria-busy", String(waiting));
    this.#showProgress(0);
    this.#showNumbers();
    this.#showWords(settings);
    const shown = chartsOf(settings);
    this.find(".explorer-charts").dataset.number = shown.length;
    for (const [name, { figure, chart }] of Object.entries(this.charts)) {
      figure.hidden = !shown.includes(name);
      if (waiting || figure.hidden) continue;
      const curve = results.curves[name];
      const { scale, says } = CHARTS[name];
      const mark = markOf(name, this.results);
      chart.draw({ ...curve, scale, mark, label: described(says, curve) });
    }
  }

  #showNumbers() {
    const { numbers, settings } = this.results;
    const main = MAIN[settings.kernel][settings.input];
    const entry = (name, words) => {
      const value = numbers[name];
      const text = value === undefined ? "…" : formatted(value, NAMES[name][1]);
      const data = value === undefined ? "" : ` data-value="${value}"`;
      return `<div><dt>${words}</dt><dd data-number="${name}"${data}>${text}</dd></div>`;
    };
    this.find(".explorer-main").innerHTML = Object.entries(main)
      .map(([name, words]) => entry(name, words))
      .join("");
    this.find(".explorer-all").innerHTML = Object.entries(NAMES)
      .filter(([name]) => name in numbers)
      .map(([name, [words]]) => entry(name, words))
      .join("");
  }

  #showWords(settings) {
    const { kernel, input } = settings;
    this.find('[data-text="ours"]').textContent =
      kernel === "rotation" ? "OddSigmoidOrthogonal" : "OddSigmoidInit";
    this.find('[data-text="keras"]').textContent =
      input === "few" ? "Keras's GlorotUniform" : "Keras's GlorotUniform or Orthogonal";
    const hint = hintOf(settings);
    this.find(".explorer-hint").hidden = hint === null;
    this.find(".explorer-hint").textContent = hint ?? "";
  }

  // After the last of several changes: the address, and a sentence for those who listen.
  #rest() {
    this.#writeAddress();
    const { numbers, settings } = this.results;
    const main = Object.keys(MAIN[settings.kernel][settings.input]);
    this.find(".explorer-status").textContent = main
      .map((name) => `${NAMES[name][0]}: ${formatted(numbers[name], NAMES[name][1])}.`)
      .join(" ");
  }

  async #copy(button) {
    const text = button.dataset.copy === "link" ? location.href : python(this.settings);
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here"; // by the browser: the text is there to select
    }
    setTimeout(() => (button.textContent = before), 1500);
  }
}

function described(says, { ours, keras }) {
  const ends = (values) => `${formatted(values[0])} in layer 1, ${formatted(values[values.length - 1])} in layer ${values.length}`;
  return `${says}: ${ends(ours)}.${keras === null ? "" : ` Keras's kernels: ${ends(keras)}.`}`;
}

const root = document.querySelector("div.explorer");
if (root !== null) new Page(root);

// What the page shows for its settings: numbers, curves by layer, and the lines of Python. It knows no
// page; the mathematics is in `mathematics.js`.

import {
  ACTIVATIONS,
  activation,
  diagonalAt,
  domainRule,
  firstLayerGain,
  kerasGains,
  noiseScale,
  orthogonalAt,
  orthogonalGain,
  orthogonalSpread,
  propagate,
  propagateOrthogonal,
  rootMean,
  slopesGain,
  smoothGain,
} from "./mathematics.js";

export const DEFAULTS = {
  kernel: "rotation", // or "diagonal"
  activation: "tanh",
  amplitude: 1,
  rate: 1,
  order: 2, // of the algebraic activation
  depth: 100,
  width: 64,
  negative_rate: 0.3,
  input: "data", // or "few": a function of a few inputs
  input_std: 1,
  inputs: 2,
};

// Depths up to which a prediction follows a slider's every move.
const QUICK_NOISE = 400;
const QUICK_DERIVATIVES = 200;

// Whether the curves take so long that one should wait until the sliders rest.
export function isSlow({ kernel, input, depth }) {
  if (input === "few") return kernel === "diagonal" || depth > QUICK_DERIVATIVES;
  return kernel === "diagonal" && depth > QUICK_NOISE;
}

// A generator: it yields the numbers that are closed forms, then how far it has come (0 to 1), and
// returns the numbers and curves. Numbers are `{ name: value }`, curves `{ name: { ours, keras } }`,
// each an array over the layers, keras null where there is nothing to compare with.
export function* predictions(settings) {
  const f = activation(settings.activation, settings.amplitude, settings.rate, settings.order);
  const numbers = {
    critical_gain: f.criticalGain,
    ...(settings.kernel === "rotation" ? rotationNumbers(settings, f) : diagonalNumbers(settings, f)),
  };
  yield { numbers };
  const curves =
    settings.input === "few"
      ? yield* curvesOfFew(settings, f, numbers)
      : curvesOfData(settings, f, numbers);
  const last = ({ ours }) => ours[ours.length - 1];
  for (const [name, curve] of Object.entries(curves)) numbers[`last_${name}`] = last(curve);
  return { numbers, curves };
}

function rotationNumbers({ input, input_std, inputs, depth, width }, f) {
  const point = input === "few" ? orthogonalSpread(f, smoothGain(depth)) : orthogonalGain(f, depth);
  const first = input === "few" ? slopesGain(inputs) : firstLayerGain(point, input_std);
  return {
    gain: point.gain,
    chi: point.chi,
    spread: point.spread,
    first_gain: first,
    kernel_std: (point.gain * f.criticalGain) / Math.sqrt(width),
    ...(input === "few" ? { first_kernel_std: f.criticalGain } : {}),
  };
}

function diagonalNumbers({ input, depth, width, negative_rate }, f) {
  const noise = noiseScale(depth, negative_rate);
  return {
    noise_scale: noise,
    kappa: noise * Math.sqrt(depth),
    noise_std: (noise * f.criticalGain) / Math.sqrt(width),
    ...(input === "few" ? { first_kernel_std: f.criticalGain } : {}),
  };
}

function curvesOfData({ kernel, depth, width, input_std }, f, numbers) {
  // As many features as units, or the first of Keras's kernels would have another gain.
  const keras = propagateOrthogonal(f, depth, kerasGains(f, width, width).gain, input_std);
  if (kernel === "diagonal") {
    const ours = propagate(f, depth, numbers.noise_scale, input_std);
    return {
      spread: { ours: ours.std, keras: keras.std },
      negative_rate: { ours: ours.negativeRate, keras: null },
    };
  }
  // The first gain makes data of any size half the spread.
  const ours = propagateOrthogonal(f, depth, numbers.gain, numbers.spread / 2);
  return {
    spread: { ours: ours.std, keras: keras.std },
    growth: { ours: ours.growth, keras: keras.growth },
  };
}

function* curvesOfFew({ kernel, depth, width, inputs }, f, numbers) {
  const rule = domainRule(inputs);
  const gains = kerasGains(f, width, inputs);
  const first = slopesGain(inputs);
  const ourKernels = (point) =>
    kernel === "diagonal"
      ? diagonalAt(f, depth, numbers.noise_scale, point, first)
      : orthogonalAt(f, depth, numbers.gain, point, first);
  const oursAt = [];
  const kerasAt = [];
  for (const point of rule.points) {
    yield { progress: oursAt.length / rule.points.length };
    oursAt.push(ourKernels(point));
    kerasAt.push(orthogonalAt(f, depth, gains.gain, point, gains.first));
  }
  const ours = rootMean(f, oursAt, rule.weights);
  const keras = rootMean(f, kerasAt, rule.weights);
  const curves = { spread: { ours: ours.value, keras: keras.value } };
  if (kernel === "diagonal") {
    // Relative to the first layer, whose random slopes have given each unit a sign.
    const later = propagate(f, depth - 1, numbers.noise_scale, ours.value[0]);
    curves.negative_rate = { ours: [0, ...later.negativeRate], keras: null };
  }
  curves.first = { ours: ours.first, keras: keras.first };
  curves.second = { ours: ours.second, keras: keras.second };
  return curves;
}

// ---------------------------------------------------------------------------------------------
// Python
// ---------------------------------------------------------------------------------------------

// The lines to paste.
export function python(settings) {
  const { kernel, input, depth, width, input_std, inputs, negative_rate } = settings;
  const f = pythonActivation(settings);
  const common = `${f}, depth=${depth}`;
  const lines = ["import keras", "import keras_oddsig as ko", ""];
  if (input === "few") {
    const init =
      kernel === "rotation"
        ? `ko.OddSigmoidOrthogonal(${common}, input_dim=${inputs})`
        : `ko.OddSigmoidInit(${common}, negative_rate=${float(negative_rate)}, input_dim=${inputs})`;
    lines.push(
      "# For inputs that cover [-1, 1]. One instance serves all layers.",
      `init = ${init}`,
      `hidden = [`,
      `    keras.layers.Dense(${width}, ${f}, kernel_initializer=init) for _ in range(${depth})`,
      `]`,
      `output = keras.layers.Dense(1, kernel_initializer=init)`,
      `model = keras.Sequential([keras.Input((${inputs},)), *hidden, output])`,
    );
  } else if (kernel === "rotation") {
    lines.push(
      "# The first kernel fits the data; one instance serves all others.",
      `first = ko.OddSigmoidOrthogonal(${common}, input_std=${float(input_std)})`,
      `init = ko.OddSigmoidOrthogonal(${common})`,
      `hidden = [`,
      `    keras.layers.Dense(${width}, ${f}, kernel_initializer=each)`,
      `    for each in [first] + ${depth - 1} * [init]`,
      `]`,
    );
  } else {
    lines.push(
      `init = ko.OddSigmoidInit(${common}, negative_rate=${float(negative_rate)})`,
      `hidden = [`,
      `    keras.layers.Dense(${width}, ${f}, kernel_initializer=init) for _ in range(${depth})`,
      `]`,
    );
  }
  return lines.join("\n") + "\n";
}

function pythonActivation({ activation: name, amplitude, rate, order }) {
  const given = [];
  if (name === "algebraic") given.push(`order=${float(order)}`);
  if (amplitude !== 1) given.push(`amplitude=${float(amplitude)}`);
  if (rate !== 1) given.push(`rate=${float(rate)}`);
  return `ko.${ACTIVATIONS[name].python}(${given.join(", ")})`;
}

// A number that Python reads as a float.
function float(number) {
  const text = String(number);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

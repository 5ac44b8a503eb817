// The named activations: phi and its first two derivatives, in closed form.
//
// What is computed here is g(v) = phi(omega v), omega = 1 / phi'(0): in this unit every activation
// has the slope 1 at 0, and amplitude and rate have scaled out. `keras_oddsig/_functions.py` has the
// same functions.

// Each writes phi, phi' and phi'' at x into `out`.
const FORMULAS = {
  tanh(x, out) {
    const value = Math.tanh(x);
    out[0] = value;
    out[1] = 1 - value * value;
    out[2] = -2 * value * out[1];
  },
  arctan(x, out) {
    const square = 1 + x * x;
    out[0] = Math.atan(x);
    out[1] = 1 / square;
    out[2] = (-2 * x) / (square * square);
  },
  erf(x, out) {
    out[0] = erf(x);
    out[1] = TWO_OVER_ROOT_PI * Math.exp(-x * x);
    out[2] = -2 * x * out[1];
  },
  gudermannian(x, out) {
    out[0] = 2 * Math.atan(Math.tanh(x / 2));
    out[1] = 1 / Math.cosh(x);
    out[2] = -out[1] * Math.tanh(x);
  },
  bipolar_sigmoid(x, out) {
    const value = Math.tanh(x / 2);
    out[0] = value;
    out[1] = (1 - value * value) / 2;
    out[2] = -value * out[1];
  },
  langevin(x, out) {
    if (Math.abs(x) < 0.4) {
      // coth x - 1/x loses digits here: its series, and that term by term.
      let power = 1;
      let value = 0;
      let first = 0;
      let second = 0;
      for (let i = 0; i < LANGEVIN_SERIES.length; i++) {
        const n = 2 * i + 1;
        const term = LANGEVIN_SERIES[i] * power;
        value += term;
        first += n * term;
        second += n * (n - 1) * term;
        power *= x * x;
      }
      out[0] = value * x;
      out[1] = first;
      out[2] = x === 0 ? 0 : second / x;
      return;
    }
    const sinh = Math.sinh(x);
    const inverse = 1 / x;
    out[0] = 1 / Math.tanh(x) - inverse;
    // Far out the hyperbolic sine overflows, and its inverse is 0.
    const steep = 1 / (sinh * sinh);
    out[1] = inverse * inverse - steep;
    out[2] = 2 * steep / Math.tanh(x) - 2 * inverse * inverse * inverse;
  },
};

// x / (1 + |x|^k)^(1/k), from |x| = 1 on by way of 1 / |x|, whose powers do not overflow.
function algebraic(k) {
  return (x, out) => {
    const size = Math.abs(x);
    const sign = Math.sign(x);
    if (size <= 1) {
      const power = size ** k;
      const root = (1 + power) ** (-1 / k);
      out[0] = x * root;
      out[1] = root / (1 + power);
      // |x|^(k-1), which at 0 is 1 for softsign; phi'' itself jumps there.
      const rise = k === 1 ? 1 : size === 0 ? 0 : power / size;
      out[2] = (-sign * (k + 1) * rise * root) / ((1 + power) * (1 + power));
      return;
    }
    const power = size ** -k;
    const root = (1 + power) ** (-1 / k);
    out[0] = sign * root;
    out[1] = (root * power) / (size * (1 + power));
    out[2] = (-sign * (k + 1) * root * power) / (size * size * (1 + power) * (1 + power));
  };
}

// Name, as `keras_oddsig.get` knows it: what it is called, and its class in Python; the slope at 0,
// the order r and the curvature c of g(v) = v - c |v|^r, and the bound.
export const ACTIVATIONS = {
  tanh: { title: "tanh", python: "Tanh", slope: 1, order: 3, curvature: 1 / 3, bound: 1 },
  arctan: { title: "arctan", python: "Arctan", slope: 1, order: 3, curvature: 1 / 3, bound: Math.PI / 2 },
  erf: { title: "erf", python: "Erf", slope: 2 / Math.sqrt(Math.PI), order: 3, curvature: Math.PI / 12, bound: 1 },
  algebraic: { title: "algebraic", python: "Algebraic", slope: 1, order: 3, curvature: 1 / 2, bound: 1 },
  softsign: { title: "softsign", python: "Softsign", slope: 1, order: 2, curvature: 1, bound: 1 },
  gudermannian: {
    title: "Gudermannian", python: "Gudermannian", slope: 1, order: 3, curvature: 1 / 6, bound: Math.PI / 2,
  },
  bipolar_sigmoid: {
    title: "bipolar sigmoid", python: "BipolarSigmoid", slope: 1 / 2, order: 3, curvature: 1 / 3, bound: 1,
  },
  langevin: { title: "Langevin", python: "Langevin", slope: 1 / 3, order: 3, curvature: 3 / 5, bound: 1 },
};

// `amplitude * phi(rate * x)`; `k` is the order of the algebraic function, and counts for it alone.
//
// In units of the amplitude all computations are those of g: `jet(v, out)` writes g, g' and g''.
export function activation(name, amplitude = 1, rate = 1, k = 2) {
  const { slope, order, curvature, bound } = ACTIVATIONS[name];
  const power = name === "softsign" ? 1 : k;
  const rational = name === "softsign" || name === "algebraic";
  const formula = rational ? algebraic(power) : FORMULAS[name];
  const omega = 1 / slope;
  return {
    name,
    amplitude,
    rate,
    k: name === "algebraic" ? k : null,
    slope: amplitude * rate * slope,
    criticalGain: 1 / (amplitude * rate * slope),
    order: rational ? power + 1 : order,
    curvature: (rational ? 1 / power : curvature) * amplitude ** (1 - (rational ? power + 1 : order)),
    bound: amplitude * bound,
    jet(v, out) {
      formula(omega * v, out);
      out[1] *= omega;
      out[2] *= omega * omega;
    },
  };
}

// ---------------------------------------------------------------------------------------------
// The error function and the Langevin function
// ---------------------------------------------------------------------------------------------

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);
// coth x - 1/x = x/3 - x^3/45 + ...; the coefficients are 2^(2n) B_2n / (2n)!.
const LANGEVIN_SERIES = [1 / 3, -1 / 45, 2 / 945, -1 / 4725, 2 / 93555, -1382 / 638512875, 4 / 18243225];

// A cubic through values and slopes in steps of 1/128 is within 1e-10 of the function.
const STEPS = 128;
const END = 6;
const TABLE = Float64Array.from({ length: END * STEPS + 2 }, (_, i) => erfSeries(i / STEPS));

// 2/sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...), all of one sign.
function erfSeries(x) {
  let term = x;
  let sum = x;
  for (let n = 1; term > 1e-17 * sum; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum;
}

export function erf(x) {
  const size = Math.abs(x);
  if (size >= END) return Math.sign(x);
  const i = Math.floor(size * STEPS);
  const t = size * STEPS - i;
  const left = (TWO_OVER_ROOT_PI * Math.exp(-((i / STEPS) ** 2))) / STEPS;
  const right = (TWO_OVER_ROOT_PI * Math.exp(-(((i + 1) / STEPS) ** 2))) / STEPS;
  const u = 1 - t;
  const value =
    TABLE[i] * (1 + 2 * t) * u * u +
    TABLE[i + 1] * (3 - 2 * t) * t * t +
    left * t * u * u -
    right * t * t * u;
  return Math.sign(x) * value;
}

// P(Z < x) for a standard normal Z.
export function normalCdf(x) {
  return (1 + erf(x / Math.SQRT2)) / 2;
}

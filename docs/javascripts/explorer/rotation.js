// Networks of rotations, W = g omega Q, as `keras_oddsig/solver/rotation.py` and `derivatives.py`
// have them. What a rotation mixes is Gaussian, so that everything is an integral over one normal
// number, whose standard deviation s is that of the pre-activations in units where g'(0) = 1.

const [NODES, WEIGHTS] = halfNormalRule(10);

// Nodes z > 0 and weights with sum(w h(z)) = E h(|z|): Gauss-Legendre in panels that narrow
// towards 0, where softsign has a kink, and a signal far too large nothing but a step.
function halfNormalRule(n) {
  const panels = [0];
  for (let i = -8; i <= 0; i++) panels.push(10 ** (i / 2));
  panels.push(2, 3, 4.5, 6, 8, 10);
  const [x, w] = gaussLegendre(n);
  const nodes = [];
  const weights = [];
  for (let p = 1; p < panels.length; p++) {
    const half = (panels[p] - panels[p - 1]) / 2;
    for (let i = 0; i < n; i++) {
      const z = panels[p - 1] + half * (x[i] + 1);
      nodes.push(z);
      weights.push(half * w[i] * Math.exp((-z * z) / 2) * Math.sqrt(2 / Math.PI));
    }
  }
  return [Float64Array.from(nodes), Float64Array.from(weights)];
}

// Newton's method on the Legendre polynomial, from the usual cosines.
export function gaussLegendre(n) {
  const nodes = [];
  const weights = [];
  for (let i = 1; i <= n; i++) {
    let x = Math.cos((Math.PI * (i - 0.25)) / (n + 0.5));
    let slope = 1;
    for (let step = 0; step < 20; step++) {
      let before = 1;
      let value = x;
      for (let k = 2; k <= n; k++) {
        [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
      }
      slope = (n * (x * value - before)) / (x * x - 1);
      x -= value / slope;
    }
    nodes.push(x);
    weights.push(2 / ((1 - x * x) * slope * slope));
  }
  return [nodes, weights];
}

// E g(s z)^2 and E g'(s z)^2.
function meanSquares(activation, s) {
  const jet = new Float64Array(3);
  let value = 0;
  let slope = 0;
  for (let i = 0; i < NODES.length; i++) {
    activation.jet(s * NODES[i], jet);
    value += WEIGHTS[i] * jet[0] * jet[0];
    slope += WEIGHTS[i] * jet[1] * jet[1];
  }
  return [value, slope];
}

// The gain at which the pre-activations keep the standard deviation s, and what comes of it.
function pointAt(activation, s) {
  const [value, slope] = meanSquares(activation, s);
  const gain = s / Math.sqrt(value);
  return { gain, spread: activation.amplitude * Math.sqrt(value), chi: gain * gain * slope };
}

// The point at which a quantity that grows with s reaches a value: bisection of log s.
function solve(activation, excess) {
  let low = Math.log(1e-7);
  let high = Math.log(1e7);
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (excess(pointAt(activation, Math.exp(middle))) < 0) low = middle;
    else high = middle;
  }
  return pointAt(activation, Math.exp((low + high) / 2));
}

// The gain for a depth, chi(g) = 1 + 1/L: gain, spread and chi.
export function orthogonalGain(activation, depth) {
  return solve(activation, (point) => point.chi - 1 - 1 / depth);
}

// Spread and chi at a gain; at 1 and below the signal dies.
export function orthogonalSpread(activation, gain) {
  if (gain <= 1) return { gain, spread: 0, chi: gain * gain };
  return solve(activation, (point) => point.gain - gain);
}

// The gain for functions of a few inputs.
export function smoothGain(depth) {
  return Math.exp(1 / (2 * depth));
}

// Layer by layer: the spread, and by how much a squared gradient has grown since layer 1.
export function propagateOrthogonal(activation, depth, gain, inputStd) {
  const std = [];
  const growth = [];
  let size = inputStd / activation.amplitude;
  let product = 1;
  for (let layer = 0; layer < depth; layer++) {
    const [value, slope] = meanSquares(activation, gain * size);
    size = Math.sqrt(value);
    if (layer > 0) product *= gain * gain * slope;
    std.push(activation.amplitude * size);
    growth.push(product);
  }
  return { std, growth };
}

// Root mean squares of h, dh/dx and d2h/dx2 over the points of a rule, layer by layer, x the first
// coordinate.
//
// Given z, the pre-activation's derivatives are Gaussian: z_x = a z + xi and z_xx = b z + eta. What is
// left are integrals over z, of products of g, g' and g'', one for each way in which a and b enter.
export function derivativesOrthogonal(activation, depth, gain, rule, firstGain) {
  const squares = rule.points.map((point) => orthogonalAt(activation, depth, gain, point, firstGain));
  return rootMean(activation, squares, rule.weights);
}

// The same at one point, as mean squares.
export function orthogonalAt(activation, depth, gain, point, firstGain) {
  const squares = [];
  const jet = new Float64Array(3);
  let c = inputMoments(activation, point, firstGain);
  for (let layer = 0; layer < depth; layer++) {
    const s = Math.sqrt(c.vv);
    let ff = 0, fpv = 0, pp = 0, ppvv = 0, fd = 0, fdvv = 0, pdv = 0, pdvvv = 0;
    let dd = 0, ddvv = 0, ddvvvv = 0;
    for (let i = 0; i < NODES.length; i++) {
      const v = s * NODES[i];
      activation.jet(v, jet);
      const w = WEIGHTS[i];
      const f = jet[0];
      const p = jet[1];
      const d = jet[2];
      const vv = v * v;
      ff += w * f * f;
      fpv += w * f * p * v;
      pp += w * p * p;
      ppvv += w * p * p * vv;
      fd += w * f * d;
      fdvv += w * f * d * vv;
      pdv += w * p * d * v;
      pdvvv += w * p * d * v * vv;
      dd += w * d * d;
      ddvv += w * d * d * vv;
      ddvvvv += w * d * d * vv * vv;
    }
    const a = c.vx / c.vv;
    const b = c.vxx / c.vv;
    const xi = c.xx - a * c.vx;
    const both = c.xxx - a * c.vxx;
    const eta = c.xxxx - b * c.vxx;
    const next = {
      vv: ff,
      vx: a * fpv,
      vxx: a * a * fdvv + xi * fd + b * fpv,
      xx: a * a * ppvv + xi * pp,
      xxx: a * a * a * pdvvv + 3 * a * xi * pdv + a * b * ppvv + both * pp,
      xxxx:
        a ** 4 * ddvvvv + 6 * a * a * xi * ddvv + 3 * xi * xi * dd +
        2 * (a * a * b * pdvvv + (xi * b + 2 * a * both) * pdv) +
        b * b * ppvv + eta * pp,
    };
    squares.push([next.vv, next.xx, next.xxxx]);
    c = scaled(next, gain * gain);
  }
  return squares;
}

// The second moments of what a first kernel of random slopes makes of a point, in units of the
// amplitude; v is the value, x and xx stand for the derivatives (vx is E v v_x).
export function inputMoments(activation, point, firstGain) {
  const inputs = point.length;
  const square = point.reduce((sum, x) => sum + x * x, 0);
  const amplitude = activation.amplitude;
  const moments = {
    vv: square / inputs / amplitude ** 2,
    vx: point[0] / inputs / amplitude,
    vxx: 0,
    xx: 1 / inputs,
    xxx: 0,
    xxxx: 0,
  };
  return scaled(moments, firstGain * firstGain);
}

export function scaled(moments, factor) {
  return Object.fromEntries(Object.entries(moments).map(([key, value]) => [key, factor * value]));
}

// From the mean squares of every layer at every point, over the points, in the units of x.
export function rootMean(activation, squares, weights) {
  const amplitude = activation.amplitude;
  const mean = (layer, i) =>
    Math.sqrt(squares.reduce((sum, each, n) => sum + weights[n] * each[layer][i], 0));
  const layers = squares[0].map((_, layer) => layer);
  // h is in units of the amplitude, and so is x.
  return {
    value: layers.map((layer) => amplitude * mean(layer, 0)),
    first: layers.map((layer) => mean(layer, 1)),
    second: layers.map((layer) => mean(layer, 2) / amplitude),
  };
}

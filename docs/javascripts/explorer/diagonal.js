// Kernels of identity plus noise, W = omega (D + sigma Z / sqrt(m)): the law of one unit is evolved
// through the layers, v -> g(v + N(0, sigma^2 E v^2)), as `propagate` and `derivatives_diagonal` of
// keras_oddsig/solver do it, on a coarser grid.

import { normalCdf } from "./activations.js";
import { inputMoments, rootMean, scaled } from "./rotation.js";

const TAIL = 1e-10; // the probability that a grid may leave out on either side
const REACH = 6; // of noise, in standard deviations

// Cells of a grid: enough for the law, and enough for the noise, of which a law some 8 to 12 times
// as wide as its root mean square is to see a cell or more. Against the solver, at depths of 2 to
// 1000, both cost 0.3% at most.
const SIGNAL_CELLS = 512;
const DERIVATIVE_CELLS = 192;
const NOISE_CELLS = 10;

function cellsFor(noiseScale, least) {
  return Math.max(least, 2 * Math.ceil(NOISE_CELLS / 2 / noiseScale));
}

// ---------------------------------------------------------------------------------------------
// The signal alone
// ---------------------------------------------------------------------------------------------

// Layer by layer: the standard deviation, and the fraction of units whose sign is no longer that
// of their input. That sign is divided out: v > 0 at the start.
export function propagate(activation, depth, noiseScale, inputStd) {
  const std = [];
  const negativeRate = [];
  const cells = cellsFor(noiseScale, SIGNAL_CELLS);
  let law = halfNormalWithNoise(inputStd / activation.amplitude, noiseScale, 2 * cells);
  for (let layer = 0; layer < depth; layer++) {
    if (layer > 0) law = blurLaw(law, noiseScale * rms(law));
    law = pushLaw(law, activation, noiseScale, cells);
    std.push(activation.amplitude * rms(law));
    negativeRate.push(belowZero(law));
  }
  return { std, negativeRate };
}

// The law of |N(0, s^2)| + N(0, (sigma s)^2), a skew normal one, on a grid that is finest around 0,
// where the noise makes it rise and the activation bends.
function halfNormalWithNoise(s, noiseScale, cells) {
  const width = s * Math.hypot(1, noiseScale);
  const fine = Math.min(noiseScale * s, 1) / 2;
  const density = (t) => Math.exp(-((t / width) ** 2) / 2) * normalCdf(t / (noiseScale * width));
  const edges = sinhGrid(cells, fine, 7 * width);
  const cdf = new Float64Array(edges.length);
  for (let i = 1; i < edges.length; i++) {
    const left = edges[i - 1];
    const right = edges[i];
    const simpson = density(left) + 4 * density((left + right) / 2) + density(right);
    cdf[i] = cdf[i - 1] + ((right - left) / 6) * simpson;
  }
  return { edges, cdf: normalized(cdf) };
}

// From -end to end, in steps that are even up to `fine` and grow in proportion beyond.
function sinhGrid(cells, fine, end) {
  const most = Math.asinh(end / fine);
  return Float64Array.from({ length: cells + 1 }, (_, i) =>
    fine * Math.sinh(most * ((2 * i) / cells - 1)),
  );
}

function normalized(cdf) {
  const total = cdf[cdf.length - 1];
  for (let i = 0; i < cdf.length; i++) cdf[i] /= total;
  return cdf;
}

// Exact for a law that is uniform within each cell.
function rms({ edges, cdf }) {
  let sum = 0;
  for (let i = 1; i < edges.length; i++) {
    const left = edges[i - 1];
    const right = edges[i];
    sum += ((cdf[i] - cdf[i - 1]) * (left * left + left * right + right * right)) / 3;
  }
  return Math.sqrt(sum);
}

function belowZero({ edges, cdf }) {
  let i = 0;
  while (i < edges.length && edges[i] < 0) i++;
  if (i === edges.length) return 1;
  if (i === 0) return 0;
  const part = -edges[i - 1] / (edges[i] - edges[i - 1]);
  return cdf[i - 1] + part * (cdf[i] - cdf[i - 1]);
}

// The law of v + N(0, std^2), on a uniform grid.
function blurLaw({ edges, cdf }, std) {
  const cells = edges.length - 1;
  const cell = (edges[cells] - edges[0]) / cells;
  const kernel = gaussianKernel(std / cell);
  const room = kernel.length - 1;
  const mass = new Float64Array(cells);
  for (let i = 0; i < cells; i++) mass[i] = cdf[i + 1] - cdf[i];
  const blurred = convolve(mass, kernel);
  const wide = new Float64Array(blurred.length + 1);
  for (let i = 0; i < blurred.length; i++) wide[i + 1] = wide[i] + blurred[i];
  return { edges: uniform(edges[0] - room * cell, cell, wide.length), cdf: normalized(wide) };
}

// The law of g(v), on a uniform grid that fits it and the noise to come.
function pushLaw({ edges, cdf }, activation, noiseScale, cells) {
  const jet = new Float64Array(3);
  // One more on either side of what counts.
  let low = 0;
  while (cdf[low + 1] <= TAIL) low++;
  let high = edges.length - 1;
  while (cdf[high - 1] >= 1 - TAIL) high--;
  const image = new Float64Array(high - low + 1);
  const kept = new Float64Array(high - low + 1);
  let last = -1;
  for (let i = low; i <= high; i++) {
    activation.jet(edges[i], jet);
    // Saturated, g has few distinct values left: one point for each.
    if (last < 0 || jet[0] > image[last]) image[++last] = jet[0];
    kept[last] = cdf[i];
  }
  // No narrower than the noise, lest that need a thousand grids of this width.
  const middle = (image[last] + image[0]) / 2;
  const largest = Math.max(Math.abs(image[0]), Math.abs(image[last]));
  const half = Math.max((image[last] - image[0]) / 2, (noiseScale * largest) / 2);
  const pushed = uniform(middle - half, (2 * half) / cells, cells + 1);
  const x = image.subarray(0, last + 1);
  return { edges: pushed, cdf: interpolated(x, kept.subarray(0, last + 1), pushed) };
}

// ---------------------------------------------------------------------------------------------
// The signal and its derivatives
// ---------------------------------------------------------------------------------------------

// Root mean squares of h, dh/dx and d2h/dx2 over the points of a rule, layer by layer, x the first
// coordinate; the first kernel has random slopes.
export function derivativesDiagonal(activation, depth, noiseScale, rule, firstGain) {
  const squares = rule.points.map((point) =>
    diagonalAt(activation, depth, noiseScale, point, firstGain),
  );
  return rootMean(activation, squares, rule.weights);
}

// The same at one point, as mean squares: this is what takes time.
//
// Each cell of v keeps E[v_x^a v_xx^b; v in the cell] for a + 2 b <= 4, which is all that the
// chain rule and Gaussian noise ask for. The law of (v, v_x, v_xx) is that of its negative, as the
// first kernel's is and all functions are odd: v > 0 tells all, and rows with a + b odd are odd.
export function diagonalAt(activation, depth, noiseScale, point, firstGain) {
  const squares = [];
  const cells = cellsFor(noiseScale, DERIVATIVE_CELLS) / 2;
  let law = gaussianLaw(inputMoments(activation, point, firstGain), 2 * cells);
  let moments = null;
  for (let layer = 0; layer < depth; layer++) {
    if (layer > 0) law = withNoise(law, scaled(moments, noiseScale * noiseScale));
    law = pushMoments(law, activation, noiseScale, cells);
    moments = secondMoments(law);
    squares.push([moments.vv, moments.xx, moments.xxxx]);
  }
  return squares;
}

// Rows of a law's moments: E v_x^a v_xx^b is row (a, b) of
// (0,0) (1,0) (2,0) (3,0) (4,0) (0,1) (1,1) (2,1) (0,2).
const PARITY = [1, -1, 1, -1, 1, -1, 1, -1, 1];

function gaussianLaw(covariance, cells) {
  const std = Math.sqrt(covariance.vv);
  const edges = sinhGrid(2 * cells, Math.min(std, 1) / 2, 7 * std).subarray(cells);
  const rows = PARITY.map(() => new Float64Array(cells));
  for (let i = 0; i < cells; i++) {
    rows[0][i] = normalCdf(edges[i + 1] / std) - normalCdf(edges[i] / std);
  }
  addGiven(rows, edges, covariance);
  return { edges, rows };
}

// Adds to (v_x, v_xx) what a Gaussian vector of this covariance has there, given its v: a line, and
// an independent rest.
function addGiven(rows, edges, covariance) {
  const a = covariance.vx / covariance.vv;
  const b = covariance.vxx / covariance.vv;
  addLine(rows, edges, a, b);
  const xi = covariance.xx - a * covariance.vx;
  const both = covariance.xxx - a * covariance.vxx;
  const eta = covariance.xxxx - b * covariance.vxx;
  const [m00, m10, m20, m30, m40, m01, m11, m21, m02] = rows;
  for (let i = 0; i < m00.length; i++) {
    m40[i] += 6 * xi * m20[i] + 3 * xi * xi * m00[i];
    m30[i] += 3 * xi * m10[i];
    m20[i] += xi * m00[i];
    m21[i] += xi * m01[i] + 2 * both * m10[i];
    m11[i] += both * m00[i];
    m02[i] += eta * m00[i];
  }
}

// Adds a v to v_x and b v to v_xx: the binomial theorem.
function addLine(rows, edges, a, b) {
  const [m00, m10, m20, m30, m40, m01, m11, m21, m02] = rows;
  for (let i = 0; i < m00.length; i++) {
    const v = (edges[i] + edges[i + 1]) / 2;
    const p = a * v;
    const r = b * v;
    const one = m10[i];
    const two = m20[i];
    const three = m30[i];
    const mass = m00[i];
    const shifted = two + p * (2 * one + p * mass);
    m02[i] += r * (2 * m01[i] + r * mass);
    m21[i] += p * (2 * m11[i] + p * m01[i]) + r * shifted;
    m11[i] += p * m01[i] + r * (one + p * mass);
    m01[i] += r * mass;
    m40[i] += p * (4 * three + p * (6 * two + p * (4 * one + p * mass)));
    m30[i] += p * (3 * two + p * (3 * one + p * mass));
    m20[i] = shifted;
    m10[i] += p * mass;
  }
}

function secondMoments({ edges, rows }) {
  const [m00, m10, m20, , , m01, m11, , m02] = rows;
  const sum = { vv: 0, vx: 0, vxx: 0, xx: 0, xxx: 0, xxxx: 0 };
  for (let i = 0; i < m00.length; i++) {
    const v = (edges[i] + edges[i + 1]) / 2;
    sum.vv += v * v * m00[i];
    sum.vx += v * m10[i];
    sum.vxx += v * m01[i];
    sum.xx += m20[i];
    sum.xxx += m11[i];
    sum.xxxx += m02[i];
  }
  return scaled(sum, 2); // and as much on the other side of 0
}

// The law of (v, v_x, v_xx) + N(0, covariance). Without their regression on it, the noises of v_x
// and v_xx do not depend on that of v.
function withNoise({ edges, rows }, covariance) {
  addLine(rows, edges, -covariance.vx / covariance.vv, -covariance.vxx / covariance.vv);
  const cell = edges[1];
  const kernel = gaussianKernel(Math.sqrt(covariance.vv) / cell);
  const blurred = rows.map((row, i) => convolve(row, kernel, PARITY[i]));
  const wide = uniform(0, cell, blurred[0].length + 1);
  addGiven(blurred, wide, covariance);
  return { edges: wide, rows: blurred };
}

// The law of g(v) and its derivatives, on a uniform grid that fits it and the noise to come.
function pushMoments({ edges, rows }, activation, noiseScale, cells) {
  const before = edges.length - 1;
  const jet = new Float64Array(3);
  const [m00, m10, m20, m30, m40, m01, m11, m21, m02] = rows;
  for (let i = 0; i < before; i++) {
    activation.jet((edges[i] + edges[i + 1]) / 2, jet);
    const p = jet[1];
    const d = jet[2];
    m02[i] = p * p * m02[i] + 2 * p * d * m21[i] + d * d * m40[i];
    m21[i] = p * p * (p * m21[i] + d * m40[i]);
    m11[i] = p * (p * m11[i] + d * m30[i]);
    m01[i] = p * m01[i] + d * m20[i];
    m10[i] *= p;
    m20[i] *= p * p;
    m30[i] *= p * p * p;
    m40[i] *= p * p * p * p;
  }
  const sums = rows.map((row) => {
    const sum = new Float64Array(before + 1);
    for (let i = 0; i < before; i++) sum[i + 1] = sum[i] + row[i];
    return sum;
  });
  const total = sums[0][before];
  const image = new Float64Array(before + 1);
  let largest = 0;
  for (let i = 0; i <= before; i++) {
    activation.jet(edges[i], jet);
    largest = Math.max(largest, jet[0]);
    image[i] = largest;
  }
  // Saturated, g has few distinct values left; these are to increase.
  for (let i = 0; i <= before; i++) image[i] += (1e-11 * largest * i) / before;
  let high = before;
  while (sums[0][high - 1] >= total - TAIL) high--;
  // No narrower than the noise, lest that need a thousand grids of this width.
  const end = Math.max(image[high], noiseScale * largest);
  const pushed = uniform(0, end / cells, cells + 1);
  const within = new Float64Array(pushed.length);
  for (let i = 0; i < within.length; i++) within[i] = Math.min(pushed[i], image[high]);
  const next = sums.map((sum) => {
    const read = interpolated(image, sum, within);
    const row = new Float64Array(cells);
    for (let i = 0; i < row.length; i++) row[i] = read[i + 1] - read[i];
    return row;
  });
  return { edges: pushed, rows: next };
}

// ---------------------------------------------------------------------------------------------
// Grids
// ---------------------------------------------------------------------------------------------

function uniform(first, cell, length) {
  // Loops, here and elsewhere: they take a tenth of the time of `from` and `map`.
  const edges = new Float64Array(length);
  for (let i = 0; i < length; i++) edges[i] = first + cell * i;
  return edges;
}

// One half of a Gaussian window, from its middle; `std` in cells.
function gaussianKernel(std) {
  const reach = Math.max(1, Math.ceil(REACH * std));
  const kernel = new Float64Array(reach + 1);
  let total = -1;
  for (let i = 0; i <= reach; i++) {
    kernel[i] = Math.exp((-i * i) / (2 * std * std));
    total += 2 * kernel[i];
  }
  for (let i = 0; i <= reach; i++) kernel[i] /= total;
  return kernel;
}

// The convolution with a symmetric window, longer by the window. With a parity the row is the right
// half of an even or odd one, and so is the result; without, it is longer on the left, too.
function convolve(row, kernel, parity = 0) {
  const reach = kernel.length - 1;
  const start = parity === 0 ? 2 * reach : reach;
  const padded = new Float64Array(start + row.length + 2 * reach);
  padded.set(row, start);
  for (let i = 0; parity !== 0 && i < reach; i++) padded[reach - 1 - i] = parity * padded[reach + i];
  const result = new Float64Array(row.length + (parity === 0 ? 2 : 1) * reach);
  for (let i = 0; i < result.length; i++) {
    const at = i + reach;
    let sum = kernel[0] * padded[at];
    for (let j = 1; j <= reach; j++) sum += kernel[j] * (padded[at - j] + padded[at + j]);
    result[i] = sum;
  }
  return result;
}

// Monotone cubic interpolation (Fritsch and Carlson's harmonic means), at increasing places.
function interpolated(x, y, places) {
  const last = x.length - 1;
  const secant = new Float64Array(last);
  for (let i = 0; i < last; i++) secant[i] = (y[i + 1] - y[i]) / (x[i + 1] - x[i]);
  const slope = new Float64Array(last + 1);
  slope[0] = secant[0];
  slope[last] = secant[last - 1];
  for (let i = 1; i < last; i++) {
    if (secant[i - 1] * secant[i] <= 0) continue;
    const left = x[i] - x[i - 1];
    const right = x[i + 1] - x[i];
    slope[i] =
      (3 * (left + right)) /
      ((2 * right + left) / secant[i - 1] + (right + 2 * left) / secant[i]);
  }
  const result = new Float64Array(places.length);
  let i = 0;
  for (let n = 0; n < places.length; n++) {
    const place = Math.min(Math.max(places[n], x[0]), x[last]);
    while (i < last - 1 && x[i + 1] < place) i++;
    const width = x[i + 1] - x[i];
    const t = (place - x[i]) / width;
    const u = 1 - t;
    result[n] =
      y[i] * (1 + 2 * t) * u * u +
      y[i + 1] * (3 - 2 * t) * t * t +
      width * t * u * (slope[i] * u - slope[i + 1] * t);
  }
  return result;
}

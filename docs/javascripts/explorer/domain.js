// The cube [-1, 1]^m over which derivatives are averaged, as few points with weights.
//
// Behind a first kernel of random slopes the law of a network at a point x depends on |x| and on x_1
// alone, and mean squares of derivatives by x_1 are polynomials in c^2 = x_1^2 / |x|^2, of degree one
// (first derivatives) and two (second). So a rule has to be right in |x| and, at each |x|, in the
// means of c^2 and c^4 over directions and coordinates. Random points would be a bad one: a deep
// network without biases turns over near the origin, where few of them lie.

import { gaussLegendre } from "./rotation.js";

const FAR = 8192; // points in the corners, of which what is no closed form is read off

// Points and weights, which sum to 1.
export function domainRule(inputs) {
  const rule = { points: [], weights: [] };
  const [x, w] = gaussLegendre(inputs === 1 ? 12 : inputs <= 3 ? 8 : 4);
  // The ball inside the cube, with nodes that crowd at the origin: |x| = t^4.
  const inside = ballVolume(inputs) / 2 ** inputs;
  const t = x.map((each) => (each + 1) / 2);
  const parts = t.map((each, i) => w[i] * each ** (4 * inputs - 1));
  const total = parts.reduce((sum, each) => sum + each, 0);
  for (let i = 0; i < t.length; i++) {
    addRadius(rule, inputs, t[i] ** 4, (inside * parts[i]) / total, 3 / (inputs * (inputs + 2)));
  }
  if (inputs === 1) return rule;
  // The corners, in three parts of equal weight.
  const corners = cornerPoints(inputs);
  for (let part = 0; part < 3; part++) {
    const ends = [part, part + 1].map((k) => Math.round((k * corners.length) / 3));
    const few = corners.slice(...ends);
    const mean = (i) => few.reduce((sum, each) => sum + each[i], 0) / few.length;
    addRadius(rule, inputs, Math.sqrt(mean(0)), (1 - inside) / 3, mean(1));
  }
  return rule;
}

// Directions with the right means: of c^2 it is 1/m, of c^4 it is given. One direction across x, one
// along it as far as that asks for; of one input there is no other.
function addRadius(rule, inputs, radius, weight, fourth) {
  const along = 1 / (inputs ** 2 * fourth);
  for (const [part, square] of [[along, inputs * fourth], [1 - along, 0]]) {
    if (inputs === 1 && square === 0) continue;
    const point = new Array(inputs).fill(0);
    point[0] = radius * Math.sqrt(square);
    if (inputs > 1) point[1] = radius * Math.sqrt(1 - square);
    rule.points.push(point);
    rule.weights.push(weight * part);
  }
}

// |x|^2 and the mean of c^4 over the coordinates, of points outside the ball, in order of |x|.
//
// The points are multiples of the powers of one irrational number, the root of y^(m + 1) = y + 1, as
// the golden ratio is for one input.
function cornerPoints(inputs) {
  let root = 2;
  for (let i = 0; i < 60; i++) root = (1 + root) ** (1 / (inputs + 1));
  const found = [];
  for (let n = 1; n <= FAR; n++) {
    let square = 0;
    let fourth = 0;
    for (let i = 1; i <= inputs; i++) {
      const x = 2 * ((0.5 + n / root ** i) % 1) - 1;
      square += x * x;
      fourth += x ** 4;
    }
    if (square > 1) found.push([square, fourth / (inputs * square * square)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}

// 2, pi, 4 pi / 3, ...
function ballVolume(dimensions) {
  if (dimensions < 2) return dimensions + 1;
  return ((2 * Math.PI) / dimensions) * ballVolume(dimensions - 2);
}

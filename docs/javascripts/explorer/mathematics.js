// What `keras_oddsig.solver` computes, in the browser: it knows no page.
//
// Closed forms are here; what evolves layer by layer is in `rotation.js` and `diagonal.js`, the
// activations in `activations.js`. `tests/site/test_explorer.py` compares all of it with the solver.

export { ACTIVATIONS, activation } from "./activations.js";
export { derivativesDiagonal, diagonalAt, propagate } from "./diagonal.js";
export { domainRule } from "./domain.js";
export {
  derivativesOrthogonal,
  orthogonalAt,
  orthogonalGain,
  orthogonalSpread,
  propagateOrthogonal,
  rootMean,
  smoothGain,
} from "./rotation.js";

// p(T) = (1 - exp(-DECAY (T - DELAY))) / 2, and below p = .04 the form of a first passage; the
// constants are those of keras_oddsig/solver/calibration.py, which says where they come from.
const DECAY = 0.473;
const DELAY = 0.31;
const RARE = 0.99;
const RARE_RATE = 0.04;
const RARE_TIME = DELAY - Math.log(1 - 2 * RARE_RATE) / DECAY;

// The noise per layer, relative to the signal, that changes the sign of a fraction of the units.
export function noiseScale(depth, negativeRate) {
  const time =
    negativeRate >= RARE_RATE
      ? DELAY - Math.log(1 - 2 * negativeRate) / DECAY
      : 1 / (1 / RARE_TIME + Math.log(RARE_RATE / negativeRate) / RARE);
  return Math.sqrt(time / depth);
}

// The gain with which a rotation in the first layer lets data in at half the spread.
export function firstLayerGain(point, inputStd) {
  return (point.gain * point.spread) / (2 * inputStd);
}

// The gain of a first kernel for a few inputs that cover [-1, 1]: its entries have the standard
// deviation omega.
export function slopesGain(inputs) {
  return Math.sqrt(inputs);
}

// Keras's kernels between layers of one width, GlorotUniform and Orthogonal alike, keep the size of
// a wide layer's signal: their gain is 1, which relative to the critical gain is f'(0). Into the
// first layer, from a few inputs, an entry of Glorot's has the variance 2 / (inputs + width).
export function kerasGains(activation, width, inputs) {
  return {
    gain: activation.slope,
    first: activation.slope * Math.sqrt((2 * inputs) / (inputs + width)),
  };
}

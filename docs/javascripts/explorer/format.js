// Numbers as a reader sees them.

// Three significant digits by default; far from 1 with a power of ten.
export function formatted(number, digits = 3) {
  if (number === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(number)));
  if (exponent >= -3 && exponent < 5) return number.toPrecision(digits);
  const mantissa = (number / 10 ** exponent).toPrecision(digits);
  return Number.isFinite(Number(mantissa)) ? `${mantissa}·${power(exponent)}` : "0";
}

// 10 to a whole power, as on an axis.
export function power(exponent) {
  const raised = String(exponent).replace("-", "⁻").replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
  return `10${raised}`;
}

// A histogram of binary orders that the loss scale shifts, under the window of a format.
(() => {
  "use strict";
  const { decimal } = gradflow;

  const [LOWEST, BINS] = [-64, 8]; // eighths of a binary order, from 2^-64 on

  gradflow.formulas.formats = ({ format, power, gain }, { counts, formats }) => {
    const [floor, normal, ceiling] = formats[format];
    const all = counts[gain].reduce((sum, one) => sum + one, 0);
    const share = (fits) => (100 * counts[gain].reduce((sum, one, k) => sum + (fits(LOWEST + k / BINS + power) ? one : 0), 0)) / all;
    const [edges, heights] = [[LOWEST + power], [0]];
    for (let k = 0; k < counts[gain].length; k += BINS) {
      const height = (100 * counts[gain].slice(k, k + BINS).reduce((sum, one) => sum + one, 0)) / all;
      edges.push(LOWEST + k / BINS + power, LOWEST + k / BINS + power + 1);
      heights.push(height, height);
    }
    edges.push(edges.at(-1));
    heights.push(0);
    const line = (end) => [[end, end], [0, 17]];
    const zeros = share((order) => order < floor - 1);
    const subnormal = share((order) => order >= floor - 1 && order < normal);
    const overflown = share((order) => order + 1 / BINS > ceiling);
    const kept = 100 - zeros - subnormal - overflown;
    return {
      curves: { signals: [edges, heights], zero: line(floor - 1), normal: line(normal), overflow: line(ceiling) },
      says: `${format}, S = 2 в степени ${power}: нулями станут ${decimal(zeros)}\u00a0%, точность потеряют ${decimal(subnormal)}\u00a0%, ` +
        `переполнятся ${decimal(overflown)}\u00a0%, без потерь останутся ${decimal(kept)}\u00a0%.`,
    };
  };
})();

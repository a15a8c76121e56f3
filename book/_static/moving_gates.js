// What reaches an LSTM's cell of n steps ago: the whole derivative as measured by the package, and two formulas.
(() => {
  "use strict";
  const { range, written, times } = gradflow;

  gradflow.formulas.gates = ({ bias, distance }, whole) => {
    const gate = 1 / (1 + Math.exp(-bias));
    const lags = range(0, whole[bias].length - 1);
    const logs = {
      whole: whole[bias],
      direct: lags.map((lag) => lag * Math.log10(gate)),
      paper: lags.map((lag) => lag * Math.log10(gate + 0.25 / Math.sqrt(3))),
    };
    const curves = { distance: [[0, 5], [distance, distance]], memory: [[bias], [1 + Math.exp(bias)]] };
    for (const [name, values] of Object.entries(logs)) {
      curves[name] = [lags, values];
      curves[`${name}-now`] = [[distance], [values[distance]]];
    }
    const [all, direct] = [10 ** logs.whole[distance], 10 ** logs.direct[distance]];
    const more = all > direct ? `больше в ${times(all / direct)}` : `меньше в ${times(direct / all)}`;
    return {
      curves,
      says: `Сдвиг ${bias}: вентиль ${written(gate, 3)}, память в шагах ${written(1 + Math.exp(bias), 3)}. На расстоянии ${distance} ` +
        `прямой путь ${written(direct, 2)}, вся производная ${written(all, 2)}, ${more}.`,
    };
  };
})();

// Growth a layer with layer normalization: predicted by the mean field, measured by the package.
(() => {
  "use strict";
  const { range, decimal, times } = gradflow;

  const NAMES = { relu: "ReLU", gelu: "GELU", tanh: "tanh", sigmoid: "сигмоиды" };
  const PLACES = { after: "LayerNorm после", before: "LayerNorm до", rms: "RMSNorm после" };

  gradflow.formulas.normalization = ({ activation, place }, data) => {
    const { predicted, measured, curve } = data[`${activation}-${place}`];
    const layers = range(1, curve.length);
    const total = 10 ** curve[0];
    const fate = Math.abs(curve[0]) < 0.3 ? "почти не меняется" : total > 1 ? `вырастает в ${times(total)}` : `уменьшается в ${times(1 / total)}`;
    return {
      curves: {
        measured: [layers, curve],
        predicted: [layers, layers.map((layer) => (curve.length - layer) * Math.log10(predicted))],
      },
      says: `${PLACES[place]} ${NAMES[activation]}: за слой предсказано ${decimal(predicted, 3)}, измерено ${decimal(measured, 3)}; ` +
        `за ${curve.length - 1} слоёв градиент ${fate}.`,
    };
  };
})();

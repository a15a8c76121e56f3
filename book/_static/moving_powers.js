// One number, multiplied by itself a hundred times.
(() => {
  "use strict";
  const { decimal, range, times } = gradflow;
  const [LARGEST, SMALLEST] = [65504, 2 ** -24]; // float16

  gradflow.formulas.powers = ({ factor }) => {
    const steps = range(0, 100);
    const signal = steps.map((step) => factor ** step);
    const end = signal[100];
    const grown = end > 1 ? `вырос в ${times(end)}` : end < 1 ? `ослаб в ${times(1 / end)}` : "остался прежним";
    const outside = signal.findIndex((value) => value > LARGEST || value < SMALLEST);
    const half = outside < 0 ? "помещается" : `не помещается с ${outside}-го умножения`;
    return {
      curves: { power: [steps, signal], end: [[100], [end]] },
      says: `Множитель ${decimal(factor, 2)}: за сто умножений сигнал ${grown}, во float16 он ${half}.`,
    };
  };
})();

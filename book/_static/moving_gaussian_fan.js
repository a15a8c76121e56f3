// The singular values of a product of Gaussian matrices: those of sigma = 1 come from the package, sigma only shifts them.
(() => {
  "use strict";
  const { range, written, decimal, counted } = gradflow;

  gradflow.formulas.gaussian_fan = ({ length, sigma }, { fan, newman }) => {
    const shift = Math.log(sigma);
    const lengths = range(1, length);
    const order = range(1, newman.length);
    const all = fan.length / Math.LN10;
    const rates = fan[length - 1].map((one) => one / length + shift);
    const curves = {
      first: [[0, fan.length], [0, (newman[0] + shift) * all]],
      last: [[0, fan.length], [0, (newman.at(-1) + shift) * all]],
      newman: [order, newman.map((one) => one + shift)],
      rates: [order, rates],
    };
    for (const k of order) curves[`sigma${k}`] = [lengths, lengths.map((n) => (fan[n - 1][k - 1] + n * shift) / Math.LN10)];
    const grown = rates.filter((one) => one > 0).length;
    const away = Math.max(...rates.map((one, k) => Math.abs(one - newman[k] - shift)));
    const [first, last] = [rates[0], rates.at(-1)].map((one) => one * length);
    return {
      curves,
      says: `Масштаб ${decimal(sigma, 2)}, ${counted(length, "множитель", "множителя", "множителей")}: больше единицы ` +
        `${counted(grown, "сингулярное число", "сингулярных числа", "сингулярных чисел")} из ${order.length}, наибольшее ${written(Math.exp(first), 2)}, ` +
        `отношение крайних ${written(Math.exp(first - last), 2)}; от формулы Ньюмана темпы отстоят не больше чем на ${written(away, 1)}.`,
    };
  };
})();

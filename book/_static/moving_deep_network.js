// Layers gain·I + sigma/√D·N, linear and with tanh: the twin of gradflow.experiments.deep_networks.moving.
(() => {
  "use strict";
  const { normals, range, times, decimal, counted } = gradflow;

  const WIDTH = 64;
  const FLOAT16 = 65504;
  let noise = new Float64Array(0);

  const norm = (vector) => Math.sqrt(vector.reduce((sum, one) => sum + one * one, 0));

  // One pass forward and one back, the loss being the sum of the outputs.
  const profile = (gain, sigma, depth, activation) => {
    const scale = sigma / Math.sqrt(WIDTH);
    let h = normals(WIDTH, 1);
    const [activations, slopes, largest] = [[norm(h)], [], []];
    for (let layer = 0; layer < depth; layer += 1) {
      const [next, slope] = [new Float64Array(WIDTH), new Float64Array(WIDTH)];
      for (let i = 0; i < WIDTH; i += 1) {
        const row = (layer * WIDTH + i) * WIDTH;
        let sum = 0;
        for (let j = 0; j < WIDTH; j += 1) sum += noise[row + j] * h[j];
        next[i] = activation(gain * h[i] + scale * sum);
        slope[i] = activation === Math.tanh ? 1 - next[i] ** 2 : 1;
      }
      h = next;
      activations.push(norm(h));
      slopes.push(slope);
      largest.push(h.reduce((most, one) => Math.max(most, Math.abs(one)), 0));
    }
    let error = new Float64Array(WIDTH).fill(1);
    const deltas = [];
    for (let layer = depth - 1; layer >= 0; layer -= 1) {
      const delta = error.map((one, i) => one * slopes[layer][i]);
      deltas[layer] = norm(delta);
      error = delta.map((one) => gain * one);
      for (let i = 0; i < WIDTH; i += 1) {
        const row = (layer * WIDTH + i) * WIDTH;
        for (let j = 0; j < WIDTH; j += 1) error[j] += scale * delta[i] * noise[row + j];
      }
    }
    return { activations, deltas, weights: deltas.map((delta, l) => delta * activations[l]), overflow: largest.findIndex((one) => one > FLOAT16) + 1 };
  };

  const changed = (ratio) => {
    if (ratio === 0) return "сигнал исчез на первом же слое";
    if (Math.abs(Math.log(ratio)) < 0.2) return "сигнал остался почти прежним";
    return `сигнал ${ratio > 1 ? `вырос в ${times(ratio)}` : `уменьшился в ${times(1 / ratio)}`}`;
  };
  const compared = (first, last) => {
    if (first + last === 0) return "градиента нет";
    if (Math.abs(Math.log(first / last)) < 0.7) return "градиент первого слоя почти такой же, как последнего";
    return `градиент первого слоя ${first > last ? `больше, чем последнего, в ${times(first / last)}` : `меньше, чем последнего, в ${times(last / first)}`}`;
  };

  gradflow.formulas.deep_network = ({ gain, sigma, depth }) => {
    if (noise.length < depth * WIDTH ** 2) noise = normals(100 * WIDTH ** 2);
    const curves = {};
    const says = [`Усиление ${decimal(gain, 2)}, шум ${decimal(sigma, 1)}, ${counted(depth, "слой", "слоя", "слоёв")}.`];
    for (const [name, words, activation] of [["linear", "Линейная сеть", (a) => a], ["tanh", "Сеть с tanh", Math.tanh]]) {
      const { activations, deltas, weights, overflow } = profile(gain, sigma, depth, activation);
      curves[`${name}-activations`] = [range(0, depth), activations];
      curves[`${name}-deltas`] = [range(1, depth), deltas];
      curves[`${name}-weights`] = [range(1, depth), weights];
      const range16 = overflow ? `во float16 переполнение на слое ${overflow}` : "во float16 переполнения нет";
      says.push(`${words}: ${changed(activations[depth] / activations[0])}, ${compared(weights[0], weights[depth - 1])}${name === "tanh" ? "" : `; ${range16}`}.`);
    }
    return { curves, says: says.join(" ") };
  };
})();

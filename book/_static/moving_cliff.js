// One recurrent unit, two parameters: the twin of gradflow.experiments.exploding.cliff.
(() => {
  "use strict";
  const { range, written, decimal, counted } = gradflow;

  const [STEPS, UPDATES, START, TARGET, ARRIVED] = [50, 400, 0.5, 0.7, 1e-3];
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  const lossAndGradient = (w, b) => {
    let [x, dw, db] = [START, 0, 0];
    for (let step = 0; step < STEPS; step += 1) {
      const s = sigmoid(x);
      const slope = w * s * (1 - s);
      [x, dw, db] = [w * s + b, s + slope * dw, 1 + slope * db];
    }
    const y = sigmoid(x);
    const outer = 2 * (y - TARGET) * y * (1 - y);
    return [(y - TARGET) ** 2, outer * dw, outer * db];
  };

  gradflow.formulas.cliff = ({ threshold, rate, w, b }) => {
    const [ws, bs, losses] = [[w], [b], []];
    let clipped = 0;
    for (let update = 0; update <= UPDATES; update += 1) {
      const [loss, dw, db] = lossAndGradient(ws[update], bs[update]);
      losses.push(loss);
      if (update === UPDATES) break;
      const norm = Math.hypot(dw, db);
      if (norm > threshold) clipped += 1;
      const factor = rate * Math.min(1, threshold / norm);
      ws.push(ws[update] - factor * dw);
      bs.push(bs[update] - factor * db);
    }
    const [last, farthest] = [losses[UPDATES], Math.max(...ws.map((one, k) => Math.hypot(one - w, bs[k] - b)))];
    const arrived = last < ARRIVED ? `Дошла: на шаге ${losses.findIndex((one) => one < ARRIVED)} потеря впервые меньше 0,001` : `Не дошла: потеря ${written(last, 2)}`;
    return {
      curves: { path: [ws, bs], start: [[w], [b]], end: [[ws[UPDATES]], [bs[UPDATES]]], loss: [range(0, UPDATES), losses] },
      says: `Порог ${written(threshold, 2)}, шаг ${written(rate, 2)}, старт (${decimal(w, 2)}; ${decimal(b, 2)}). ${arrived}. ` +
        `Отсечён градиент ${counted(clipped, "шага", "шагов", "шагов")} из ${UPDATES}; дальше всего от старта точка была на ${written(farthest, 2)}.`,
    };
  };
  gradflow.clicks.cliff = { panel: 0, x: "w", y: "b" };
})();

// The matrix (rho, c; 0, rho): everything about it is known exactly. Its power t is rho^t (1, tc/rho; 0, 1),
// and sigma_max of (a, b; 0, a) is b/2 + √(b²/4 + a²): the two singular values differ by b, their product is a².
(() => {
  "use strict";
  const { range, written, decimal } = gradflow;

  const STEPS = 60;
  const UNIT = range(0, 64).map((k) => [Math.cos((k * Math.PI) / 32), Math.sin((k * Math.PI) / 32)]);

  gradflow.formulas.jordan_block = ({ rho, coupling, step }) => {
    const power = (t) => [rho ** t, t === 0 ? 0 : t * coupling * rho ** (t - 1)];
    const norm = (t) => {
      const [a, b] = power(t);
      return b / 2 + Math.sqrt(b ** 2 / 4 + a ** 2);
    };
    const t = range(0, STEPS);
    const [a, b] = power(step);
    const history = range(0, step).map(power);
    // At distance r from rho, sigma_min(zI - W) = ε means ε(ε + c) = r².
    const radius = (epsilon) => Math.sqrt(epsilon * (epsilon + coupling));
    const disc = (epsilon) => [UNIT.map(([x]) => rho + radius(epsilon) * x), UNIT.map(([, y]) => radius(epsilon) * y)];
    const peak = t.reduce((best, one) => (norm(one) > norm(best) * (1 + 1e-12) ? one : best));
    const fate = norm(STEPS) >= norm(STEPS - 1) && norm(1) > 1
      ? `Норма степени растёт и за ${STEPS} шагов доходит до ${written(norm(STEPS), 2)}`
      : peak === 0 ? "Норма степени не растёт никогда" : `Норма степени растёт до ${written(norm(peak), 2)} на шаге ${peak} и лишь потом убывает`;
    const leaves = rho + radius(0.1) > 1 ? "выходит" : "не выходит";
    return {
      curves: {
        norm: [t, t.map(norm)],
        radius: [t, t.map((one) => rho ** one)],
        sigma: [t, t.map((one) => norm(1) ** one)],
        now: [[step], [norm(step)]],
        image: [UNIT.map(([x, y]) => a * x + b * y), UNIT.map(([, y]) => a * y)],
        path: [history.map((one) => one[1]), history.map((one) => one[0])],
        outer: disc(0.1),
        inner: disc(0.01),
        eigenvalue: [[rho], [0]],
      },
      says: `ρ = ${decimal(rho, 2)}, наибольшее сингулярное число ${written(norm(1), 3)}. ${fate}; на шаге ${step} она равна ${written(norm(step), 2)}. ` +
        `Псевдоспектр с ε = 0,1 ${leaves} за единичную окружность.`,
    };
  };
})();

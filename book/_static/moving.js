// Figures that the reader moves: the controls under a chart change the curves that matplotlib has drawn.
// A formula is a file of its own; it gives for the values of the controls the curves, by name, and a sentence.
// The build runs the formulas, too (moving_charts.py), without a page.
(() => {
  "use strict";

  const gradflow = { formulas: {}, clicks: {} };
  globalThis.gradflow = gradflow;

  // Numbers as gradflow.book.written and decimal write them.
  const grouped = (whole) => (whole.length < 5 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, "\u202f"));
  const russian = (text) => text.replace(/\d+/, grouped).replace(".", ",").replace("-", "−");
  const superscript = (power) => [...String(power)].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("");
  gradflow.decimal = (value, places = 1) => russian((Number(value.toFixed(places)) + 0).toFixed(places));
  gradflow.written = (value, digits = 3) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "∞" : "−∞";
    if (value === 0) return "0";
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const power = Number(exponent);
    if (power > -4 && power < Math.max(digits, 5)) {
      return russian(Number(`${mantissa}e${power}`).toFixed(Math.max(digits - 1 - power, 0)));
    }
    const isUnit = digits === 1 && Math.abs(Number(mantissa)) === 1;
    return russian(isUnit ? `${mantissa.replace("1", "")}10${superscript(power)}` : `${mantissa}·10${superscript(power)}`);
  };
  gradflow.counted = (n, one, few, many) => {
    const [tens, units] = [n % 100, n % 10];
    return `${grouped(String(n))} ${tens > 10 && tens < 20 ? many : units === 1 ? one : units > 1 && units < 5 ? few : many}`;
  };
  gradflow.times = (ratio) => {
    const text = gradflow.written(ratio, 2);
    if (text.includes("·") || text.includes("∞")) return `${text} раз`;
    return text.includes(",") ? `${text} раза` : gradflow.counted(Number(text.replace("\u202f", "")), "раз", "раза", "раз");
  };
  gradflow.range = (first, last, step = 1) =>
    Array.from({ length: Math.floor((last - first) / step + 1e-9) + 1 }, (_, k) => first + k * step);

  // The same normal numbers as gradflow.book.page_normals: mulberry32, Box and Muller.
  gradflow.normals = (size, seed = 0) => {
    const numbers = new Float64Array(size + (size % 2));
    const uniform = (n) => {
      const state = (Math.imul(n, 0x6d2b79f5) + Math.imul(seed, 0x9e3779b9)) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
    };
    for (let n = 0; n < size; n += 2) {
      const [radius, angle] = [Math.sqrt(-2 * Math.log(uniform(n + 1))), 2 * Math.PI * uniform(n + 2)];
      numbers[n] = radius * Math.cos(angle);
      numbers[n + 1] = radius * Math.sin(angle);
    }
    return numbers.subarray(0, size);
  };

  // From values to the picture and back.
  const FAR = 1e4; // px: what lies outside is cut off by the panel
  const place = ([near, far, low, high, log], value) => {
    const part = log ? Math.log10(value / low) / Math.log10(high / low) : (value - low) / (high - low);
    return Math.max(-FAR, Math.min(FAR, near + part * (far - near)));
  };
  const value = ([near, far, low, high, log], px) => {
    const part = (px - near) / (far - near);
    return log ? low * (high / low) ** part : low + part * (high - low);
  };

  const draw = (curve, [xs, ys]) => {
    const { x, y } = JSON.parse(curve.closest("svg").dataset.scales);
    const points = Array.from(xs, (one, k) => [place(x, one), place(y, ys[k])]).filter((point) => !point.some(Number.isNaN));
    const line = curve.querySelector(":scope > path");
    if (line) line.setAttribute("d", points.map((point, k) => `${k ? "L" : "M"}${point.map((px) => px.toFixed(1)).join(" ")}`).join(""));
    const marks = [...curve.querySelectorAll("use")];
    for (let k = marks.length; marks.length && k < points.length; k += 1) marks.push(marks[0].parentNode.appendChild(marks[0].cloneNode()));
    marks.forEach((mark, k) => {
      mark.style.display = k < points.length ? "" : "none";
      if (k < points.length) ["x", "y"].forEach((name, i) => mark.setAttribute(name, points[k][i].toFixed(1)));
    });
  };

  const shown = (input) => {
    if (input.localName === "select") return input.selectedOptions[0].textContent;
    if (input.dataset.log !== undefined) return gradflow.written(valueOf(input), 2);
    return gradflow.decimal(Number(input.value), (input.step.split(".")[1] ?? "").length);
  };
  const valueOf = (input) => {
    if (input.localName === "select") return input.value;
    return input.dataset.log === undefined ? Number(input.value) : Number((10 ** Number(input.value)).toPrecision(12));
  };

  const addressed = () => location.hash.slice(1).split("?");
  const equip = (controls) => {
    bringFields(controls);
    const figure = controls.closest("figure");
    bringCharts(figure);
    const inputs = [...controls.querySelectorAll("input, select")];
    const starts = inputs.map((input) => input.value);
    const curves = [...figure.querySelectorAll("[data-curve]")];
    const stills = curves.map((curve) => curve.innerHTML);
    const sentence = controls.querySelector("[role=status]");
    const name = controls.dataset.formula;
    const data = JSON.parse(controls.querySelector("script").textContent);

    const restore = () => curves.forEach((curve, k) => { curve.innerHTML = stills[k]; });
    const show = () => {
      const values = Object.fromEntries(inputs.map((input) => [input.name, valueOf(input)]));
      const result = gradflow.formulas[name](values, data);
      for (const curve of curves) draw(curve, result.curves[curve.dataset.curve]);
      for (const input of inputs.filter((one) => one.localName === "input")) {
        input.setAttribute("aria-valuetext", shown(input));
        input.previousElementSibling.value = shown(input);
      }
      if (sentence.textContent !== result.says) sentence.textContent = result.says;
    };

    // The address says where the controls stand, so that a position can be linked: #fig-name?gain=1.2
    let waiting = 0;
    const remember = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const moved = inputs.filter((input, k) => input.value !== starts[k]).map((input) => [input.name, input.value]);
        history.replaceState(history.state, "", `#${figure.id}${moved.length ? `?${new URLSearchParams(moved)}` : ""}`);
      }, 300);
    };
    const recall = () => {
      const [anchor, state] = addressed();
      if (anchor !== figure.id || state === undefined) return;
      const wanted = new URLSearchParams(state);
      inputs.forEach((input, k) => {
        const known = input.options ? [...input.options].map((option) => option.value) : [];
        const given = wanted.get(input.name) || starts[k];
        const fits = input.options ? known.includes(given) : Number.isFinite(Number(given));
        input.value = fits ? given : starts[k];
      });
      show();
      figure.scrollIntoView();
    };

    controls.addEventListener("input", () => {
      show();
      remember();
    });
    controls.querySelector("button").addEventListener("click", () => {
      inputs.forEach((input, k) => { input.value = starts[k]; });
      show();
      remember();
    });
    const click = gradflow.clicks[name];
    if (click) {
      const panel = figure.querySelectorAll("svg")[click.panel];
      panel.classList.add("moving-target");
      panel.addEventListener("click", (event) => {
        const box = panel.getBoundingClientRect();
        const scale = panel.viewBox.baseVal.width / box.width;
        const scales = JSON.parse(panel.dataset.scales);
        for (const [axis, px] of [["x", event.clientX - box.left], ["y", event.clientY - box.top]]) {
          controls.querySelector(`[name=${click[axis]}]`).value = value(scales[axis], px * scale);
        }
        show();
        remember();
      });
    }
    window.addEventListener("hashchange", recall);
    // Paper shows the still; afterwards the figure is as the reader left it.
    window.addEventListener("beforeprint", restore);
    window.addEventListener("afterprint", show);
    recall();
  };

  if (typeof document === "undefined") return;
  const start = () => {
    const movers = [...document.querySelectorAll(".moving")].map((controls) => ({
      id: controls.closest("figure").id,
      bring: whenNear(controls, () => equip(controls)),
    }));
    const seek = () => movers.find(({ id }) => id === addressed()[0])?.bring();
    window.addEventListener("hashchange", seek);
    seek();
  };
  if (document.readyState === "complete") start();
  else window.addEventListener("load", start); // when the formulas are there
})();

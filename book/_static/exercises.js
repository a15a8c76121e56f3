// Answer fields of the exercises: no request, and nothing stored unless the reader asks for it. The entries come from gradflow.exercises;
// parse() is the twin of gradflow/exercises/_expression.py.
(() => {
  "use strict";

  const FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
  };
  const NAME = /^(?:\p{L}(?:[\p{L}\p{N}_₀-₉]|\^[\p{L}\p{N}])*\s*=|[≈=~])\s*/u;
  const TIMES = /^(?:в\s+|[×*]\s*)(?=[\d(])/;
  const UNIT = /(?<=[\d)])\s*(?:раза?|шаг(?:а|ов)?|умножени[еяй]|множител[ьяе]й?|сло(?:й|я|ёв|ев)|порядк(?:а|ов)|нат|бита?)$/;
  const REWRITTEN = [
    [/(?<=\d)е(?=[-+−\d])/g, "e"],
    [/(\d+),(\d*)\((\d+)\)/g, (_, whole, fixed, period) =>
      `(${BigInt(whole + fixed + period) - BigInt(whole + fixed)}/${"9".repeat(period.length)}${"0".repeat(fixed.length)})`],
    [/(\d*)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])/g, (_, whole, fraction) => `(${whole || 0}+${FRACTIONS[fraction]})`],
    [/[−–]/g, "-"], [/[·×⋅]|\*(?!\*)/g, "*"], [/\*\*/g, "^"], [/[÷:]/g, "/"], [/\{/g, "("], [/\}/g, ")"],
    [/π/g, " pi "], [/√/g, " sqrt "], [/[\u00a0\u202f\u2009]/g, " "],
    [/[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+/g, (run) => `^(${[...run].map((c) => "0123456789-+"["⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺".indexOf(c)]).join("")})`],
    [/(\d) +(?=10\^)/g, "$1*"],
    [/(\d) +(?=\d{3}(?!\d))/g, "$1"],
  ];
  const FUNCTIONS = {
    ln: Math.log, log: Math.log, lg: Math.log10, sqrt: Math.sqrt, exp: Math.exp, sigm: (x) => 1 / (1 + Math.exp(-x)),
  };
  const CONSTANTS = { pi: Math.PI, e: Math.E };

  class Unreadable extends Error {
    constructor(reason, fragment = "") {
      const shown = fragment.trim().replaceAll("sqrt", "√").replaceAll("pi", "π").replaceAll("*", "·");
      super(reason.replace("{}", shown));
    }
  }

  function parse(text) {
    if (text.trim().length > 100) throw new Unreadable("Ответ длиннее ста знаков.");
    let clean = text.trim().replace(/\s*\.$/, "").toLowerCase().replace(NAME, "").replace(TIMES, "").replace(UNIT, "");
    for (const [spelling, plain] of REWRITTEN) clean = clean.replace(spelling, plain);
    clean = clean.trim();
    if (!clean) throw new Unreadable("В «{}» нет числа.", text);
    const finite = (value) => {
      if (!Number.isFinite(value)) throw new Unreadable("У «{}» нет конечного значения.", text);
      return value;
    };
    const unknown = (fragment) => new Unreadable("Не понимаю «{}».", fragment);
    const tokens = [];
    const token = /\s*(?:(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?|[.,]\d+)|([a-z]+)|([-+*/^()%]))/y;
    for (let at = 0; at < clean.length; at = token.lastIndex) {
      const match = token.exec(clean);
      if (!match) throw unknown(/^\s*(?:[\p{L}_]+|.)/u.exec(clean.slice(at))[0]);
      if (match[2] && !(match[2] in FUNCTIONS) && !(match[2] in CONSTANTS)) throw unknown(match[2]);
      tokens.push(match[0].trim());
    }
    let position = 0;
    const next = () => tokens[position] ?? "";
    const take = (...wanted) => (wanted.includes(next()) ? tokens[position++] : "");
    const glued = () => /^[a-z(]/.test(next());
    const twoWays = () => new Unreadable("«{}» можно прочитать двояко: поставьте скобки или знак умножения.",
      tokens.slice(Math.max(position - 2, 0), position + 1).join(""));
    const sum = () => {
      let value = product();
      for (let sign; (sign = take("+", "-")); ) value = sign === "+" ? value + product() : value - product();
      return value;
    };
    const product = () => {
      let value = signed();
      for (let divided = false; ; ) {
        const sign = take("*", "/");
        if (sign) {
          divided = sign === "/";
          value = divided ? value / signed() : value * signed();
        } else if (!glued()) {
          return finite(value);
        } else if (divided) {
          throw twoWays(); // 1/2π: times π or by π?
        } else {
          value *= power();
        }
      }
    };
    const signed = () => {
      const sign = take("+", "-");
      if (!sign) return power();
      return sign === "-" ? -signed() : signed();
    };
    const power = () => {
      let base = atom();
      if (take("^")) base = finite(base ** bounded(signed, "sqrt"));
      while (take("%")) base /= 100;
      return finite(base);
    };
    const bounded = (read, ...ends) => {
      const value = read();
      if (glued() && tokens[position - 1] !== ")" && !ends.includes(next())) throw twoWays(); // √2π: of 2 or of 2π?
      return value;
    };
    const atom = () => {
      const start = position;
      if (take("(")) {
        const value = sum();
        if (!take(")")) throw new Unreadable("Скобка не закрыта: «{}».", tokens.slice(start).join(""));
        return value;
      }
      let name = take(...Object.keys(FUNCTIONS));
      if (name) return FUNCTIONS[name](next() === "(" ? atom() : bounded(power));
      name = take(...Object.keys(CONSTANTS));
      if (name) return CONSTANTS[name];
      if (/^[\d.,]/.test(next())) return Number(tokens[position++].replace(",", "."));
      throw new Unreadable("Рядом с «{}» не хватает числа.", tokens.slice(Math.max(position - 1, 0), position + 1).join(""));
    };
    const value = finite(sum());
    if (position !== tokens.length) throw unknown(next());
    return value;
  }

  const unit = (value, digits) => 10 ** (Math.floor(Math.log10(Math.abs(value))) - digits + 1);
  const shortened = (number, digits) =>
    Math.abs(number - Number(number.toExponential(digits - 1))) <= 1e-12 * Math.abs(number);

  function hasDigits(number, value, digits) {
    const error = Math.abs(number - value);
    if (digits === null || value === 0) return error <= 1e-9 * Math.abs(value);
    const cutOff = Math.abs(number) <= Math.abs(value) && number * value > 0 && shortened(number, digits);
    return error <= 0.5001 * unit(value, digits) || (cutOff && error < unit(value, digits));
  }

  function isRounded(number, value, digits) {
    if (value === 0 || number === 0) return false;
    for (let k = 1; k < digits; k += 1) {
      if (shortened(number, k) && Math.abs(number - value) <= 0.5001 * unit(value, k)) return true;
    }
    return false;
  }

  const RIGHT = "✓", CLOSE = "≈", WRONG = "✗";

  function judgeNumber(quiz, number) {
    const nearest = (entries) =>
      entries.reduce((a, b) => (Math.abs(number - b.value) < Math.abs(number - a.value) ? b : a));
    const right = quiz.answers[0];
    const exact = quiz.answers.filter((entry) => hasDigits(number, entry.value, quiz.digits));
    if (exact.length) return [nearest(exact) === right ? RIGHT : WRONG, nearest(exact).message];
    if (quiz.digits !== null) {
      const rough = quiz.answers.filter((entry) => isRounded(number, entry.value, quiz.digits));
      if (rough.length && !rough.includes(right)) return [WRONG, nearest(rough).message];
      if (rough.length > 1) return [WRONG, quiz.vague];
      const near = nearest(quiz.answers) === right && Math.abs(number - right.value) <= 0.03 * Math.abs(right.value);
      if (rough.length || near) return [CLOSE, quiz.rough];
    }
    return [WRONG, quiz.otherwise];
  }

  function judgeText(quiz, answer) {
    let text = answer.trim();
    if (!text) return [WRONG, quiz.empty];
    const sign = /^(?:0\s*[<≤]=?\s*)?(?:\p{L}[\p{L}\p{N}_]*\s*)?[<>≤≥]=?\s*/u.exec(text);
    if (sign && !quiz.bound) return [WRONG, quiz.noInequality];
    try {
      return judgeNumber(quiz, parse(sign ? text.slice(sign[0].length) : text));
    } catch (error) {
      if (error instanceof Unreadable) return [WRONG, quiz.unreadable.replace("{}", error.message)];
      throw error;
    }
  }

  // «several»: first how many marks are wrong, from the second selection on one of them with its reason.
  function judgeMarks(quiz, marks, tried) {
    if (!marks.includes(true)) return [WRONG, quiz.empty];
    const several = quiz.kind === "several";
    const wrong = quiz.options.filter((option, i) => marks[i] !== option.true && (several || marks[i]));
    if (!wrong.length) return [RIGHT, quiz.right];
    if (!several) return [WRONG, wrong[0].message];
    const selection = marks.join();
    if (!tried.has(selection)) {
      const reproach = tried.size ? ` ${wrong[0].message}` : "";
      tried.set(selection, `Неверных отметок: ${wrong.length} из ${quiz.options.length}.${reproach}`);
    }
    return [WRONG, tried.get(selection)];
  }

  function decode(code) {
    const bytes = Uint8Array.from(atob(code), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  }

  // What is solved is remembered in this browser alone, and only for whoever asks for it: a list of names, or null.
  const KEY = "gradflow-solved";
  const recall = () => {
    try {
      return JSON.parse(localStorage.getItem(KEY));
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  const remember = (solved) => {
    try {
      if (solved) localStorage.setItem(KEY, JSON.stringify([...new Set(solved)]));
      else localStorage.removeItem(KEY);
    } catch {} // then it is as if the switch were off
  };
  const solvedHere = () =>
    [...document.querySelectorAll(".exercise")].flatMap((exercise) => {
      const forms = [...exercise.querySelectorAll("form.quiz")];
      const passed = forms.filter((form) => form.classList.contains("passed"));
      return [...passed, ...(forms.length && passed.length === forms.length ? [exercise] : [])].map((one) => one.id);
    });

  function showSolved() {
    const solved = recall() ?? [];
    for (const form of document.querySelectorAll("form.quiz")) {
      if (!solved.includes(form.id)) continue;
      form.classList.add("passed");
      form.querySelector(".quiz-verdict").textContent = `${RIGHT} Решено раньше.`;
    }
    for (const link of document.querySelectorAll(".exercise-table a")) {
      if (solved.includes(link.hash.slice(1))) link.after(` ${RIGHT} решена`);
    }
  }

  function offerMemory(label) {
    bringFields(label);
    const box = label.querySelector("input");
    box.checked = recall() !== null;
    box.addEventListener("change", () => remember(box.checked ? solvedHere() : null));
  }

  function start() {
    showSolved();
    for (const label of document.querySelectorAll(".quiz-memory")) whenNear(label, () => offerMemory(label));
    for (const form of document.querySelectorAll("form.quiz")) {
      whenNear(form, () => bringFields(form));
      const quiz = decode(form.dataset.quiz);
      const verdict = form.querySelector(".quiz-verdict");
      const tried = new Map();
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const marks = [...form.querySelectorAll("input")].map((box) => box.checked);
        const [mark, message] =
          quiz.kind === "number" ? judgeText(quiz, form.elements.answer.value) : judgeMarks(quiz, marks, tried);
        verdict.textContent = `${mark} ${message}`;
        form.classList.toggle("passed", mark === RIGHT);
        form.classList.toggle("close", mark === CLOSE);
        form.classList.toggle("failed", mark === WRONG);
        if (recall()) remember([...recall(), ...solvedHere()]);
      });
      // An old verdict beside a new answer would mislead.
      form.addEventListener("input", () => {
        verdict.textContent = "";
        form.classList.remove("passed", "close", "failed");
      });
    }
    // On paper every fold is open; afterwards each is as the reader left it.
    let closed = [];
    window.addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      closed.forEach((fold) => { fold.open = true; });
    });
    window.addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));
  }

  window.gradflowQuiz = { parse, judgeText, judgeMarks }; // for the tests
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

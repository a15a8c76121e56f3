// The search. Words are compared by their families (ячейка, ячеек; затухание, затухать), English words also by their
// translation; a word that is nowhere is looked for with one letter changed, left out, added or exchanged.
(() => {
  "use strict";

  const { pages, places, terms } = window.gradflowIndex;
  const stemmer = new window.Stemmer();
  const plain = (text) => text.toLowerCase().replaceAll("ё", "е");
  const wordsOf = (text) => plain(text).match(/[\p{L}\p{N}]+/gu) ?? [];

  // Families: what Snowball leaves of a word, without the endings that make one part of speech from another.
  const ENDING = /^(.{3,}?)(?:ирова|ова|ива|ыва|ени|ани|ен|ан|ац|ующ|ающ|ост|ск|н|ь|а|я|и|е|о|у)$/;
  const IRREGULAR = { взорв: "взрыв", взорвет: "взрыв", взрыва: "взрыв", вент: "вентил", памя: "памят", чисел: "числ" };
  const families = new Map();
  const family = (word) => {
    if (!families.has(word)) families.set(word, /[а-я]/.test(word) ? russian(word) : english(word));
    return families.get(word);
  };
  const russian = (word) => {
    let stem = stemmer.stemWord(word).replaceAll("ё", "е");
    for (let shorter; (shorter = ENDING.exec(stem)) && shorter[1].length > 3; ) stem = shorter[1];
    stem = stem.replace(/(?<=[аеиоуыэюя])ек$/, "йк").replace(/(?<=.{3}[бвгджзклмнпрстфхчшщ])[ео]к$/, "к");
    return IRREGULAR[stem] ?? stem.replace(/[кц]$/, "ч");
  };
  const english = (word) =>
    word.length < 5 ? word : word.replace(/(?:ing|ed|es|s|e)$/, "").replace(/([bdgmnpt])\1$/, "$1");

  // For each family: the places where it stands, and how firmly.
  const TITLE = 4, OUTER_TITLE = 0.3;
  const found = new Map();
  const lengths = places.map(([, , , title, , text]) => wordsOf(text).length + TITLE * wordsOf(title).length);
  const usual = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const forms = new Map(); // word → how often
  places.forEach(([page, , kind, title, section, text], place) => {
    const count = (words, weight) => {
      for (const word of words) {
        forms.set(word, (forms.get(word) ?? 0) + 1);
        const root = family(word);
        if (!found.has(root)) found.set(root, new Map());
        const at = found.get(root);
        at.set(place, (at.get(place) ?? 0) + weight);
      }
    };
    count(wordsOf(title), TITLE);
    count(wordsOf(kind), 1);
    count(wordsOf(text), 1);
    count(wordsOf(section), OUTER_TITLE);
    count(wordsOf(pages[page][1]), OUTER_TITLE);
  });
  const translations = terms.map(([words, translation]) => [wordsOf(words).map(family), wordsOf(translation).map(family)]);

  // How many letters lie between two words: changed, left out, added, exchanged with the next.
  const distance = (one, other, limit) => {
    if (Math.abs(one.length - other.length) > limit) return limit + 1;
    let before = [], last = [], row = [...Array(other.length + 1).keys()];
    for (let i = 1; i <= one.length; i += 1) {
      [before, last, row] = [last, row, [i]];
      for (let j = 1; j <= other.length; j += 1) {
        const same = one[i - 1] === other[j - 1];
        row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
        if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
          row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    return row[other.length];
  };
  const nearest = (word, limit) => {
    let best = null;
    const root = family(word);
    for (const [form, often] of forms) {
      if (form.length < 4) continue;
      const apart = Math.min(distance(word, form, limit), root.length > 3 ? distance(root, family(form), limit) : limit + 1);
      if (apart <= limit && (!best || apart < best.apart || (apart === best.apart && often > best.often)))
        best = { form, often, apart };
    }
    return best?.form;
  };

  // One word of a query → families, each with its weight.
  const meanings = (word, corrections) => {
    const root = family(word);
    const roots = new Map(found.has(root) ? [[root, 1]] : []);
    if (word.length > 2)
      for (const form of forms.keys())
        if (form.startsWith(word) && !roots.has(family(form))) roots.set(family(form), 0.4);
    if (roots.size === 0 && word.length > 3) {
      const form = nearest(word, 1);
      if (form) {
        corrections.push([word, form]);
        roots.set(family(form), 1);
      }
    }
    return roots;
  };

  // A query → groups that must all be there. A group has alternatives, an alternative families that must all be there.
  const groupsOf = (query, corrections) => {
    const words = wordsOf(query);
    const roots = words.map(family);
    const groups = [];
    for (let at = 0; at < words.length; ) {
      const matching = translations.filter(([names]) => names.every((name, i) => name === roots[at + i]));
      const [names, others] = matching.sort((a, b) => b[0].length - a[0].length)[0] ?? [[roots[at]], null];
      const own = names.map((_, i) => meanings(words[at + i], others ? [] : corrections));
      groups.push([own, ...(others ? [others.map((root) => new Map([[root, 1]]))] : [])]);
      at += names.length;
    }
    return groups;
  };

  const weightsOf = (group) => {
    const weights = new Map();
    for (const alternative of group) {
      const each = alternative.map((roots) => {
        const sum = new Map();
        for (const [root, weight] of roots) {
          const at = found.get(root) ?? new Map();
          const rare = Math.log(1 + places.length / (1 + at.size));
          for (const [place, times] of at) {
            const often = times / (times + 1.2 * (0.25 + 0.75 * lengths[place] / usual)); // as in BM25
            sum.set(place, Math.max(sum.get(place) ?? 0, weight * rare * often));
          }
        }
        return sum;
      });
      for (const place of each[0].keys()) {
        if (!each.every((one) => one.has(place))) continue;
        const total = each.reduce((sum, one) => sum + one.get(place), 0);
        weights.set(place, Math.max(weights.get(place) ?? 0, total));
      }
    }
    return weights;
  };

  // Everything that is found: pages in the order of their best places.
  const search = (query) => {
    const corrections = [];
    const groups = groupsOf(query, corrections);
    const weights = groups.map(weightsOf);
    const scores = new Map();
    for (const one of weights) for (const [place, weight] of one) {
      const [matched, score] = scores.get(place) ?? [0, 0];
      scores.set(place, [matched + 1, score + weight]);
    }
    const most = Math.max(0, ...[...scores.values()].map(([matched]) => matched));
    const roots = new Set(groups.flat(2).flatMap((meaning) => [...meaning.keys()]));
    const told = (place) => [...roots].some((root) => found.get(root)?.get(place) >= 1); // not only by the titles around it
    const best = [...scores].filter(([place, [matched]]) => matched === most && told(place)).sort((a, b) => b[1][1] - a[1][1]);
    const byPage = new Map();
    for (const [place] of best) {
      const page = places[place][0];
      byPage.set(page, [...(byPage.get(page) ?? []), place]);
    }
    return { byPage, roots, corrections, count: best.length, whole: most === groups.length };
  };

  // What is shown.
  const AROUND = 170;
  const element = (name, attributes = {}, ...children) => {
    const node = Object.assign(document.createElement(name), attributes);
    node.append(...children);
    return node;
  };
  const marked = (text, roots) =>
    text.split(/([\p{L}\p{N}]+)/u).map((part, i) => (i % 2 && roots.has(family(plain(part))) ? element("mark", {}, part) : part));

  const excerpt = (text, roots) => {
    const hits = [...text.matchAll(/[\p{L}\p{N}]+/gu)].filter((word) => roots.has(family(plain(word[0])))).map((word) => word.index);
    const near = (start) => hits.filter((hit) => hit >= start && hit < start + AROUND).length;
    const first = hits.reduce((best, hit) => (near(hit) > near(best) ? hit : best), hits[0] ?? 0);
    let start = Math.max(0, first - AROUND / 3);
    if (start > 0) start = text.indexOf(" ", start) + 1;
    let end = Math.min(text.length, start + AROUND);
    if (end < text.length) end = Math.max(text.lastIndexOf(" ", end), first + 1);
    return [start > 0 ? "… " : "", ...marked(text.slice(start, end), roots), end < text.length ? " …" : ""];
  };

  const hit = (place, roots) => {
    const [page, anchor, kind, title, section, text] = places[place];
    const seen = [...new Set(wordsOf(`${title} ${text}`).filter((word) => roots.has(family(word))))].slice(0, 8);
    const href = `${pages[page][0]}?highlight=${encodeURIComponent(seen.join(" "))}#${anchor}`;
    const name = [kind, title].filter(Boolean).join(". ") || pages[page][1];
    const item = element("li", {}, element("a", { href }, ...marked(name, roots)));
    if (kind && section) item.append(element("span", { className: "search-section" }, ` — в разделе «${section}»`));
    if (text) item.append(element("p", {}, ...excerpt(text, roots)));
    return item;
  };

  const SHOWN = 3;
  const pageOf = (page, hits, roots) => {
    const list = (some) => element("ul", {}, ...some.map((place) => hit(place, roots)));
    const group = element("section", {}, element("h2", {}, element("a", { href: pages[page][0] }, pages[page][1])), list(hits.slice(0, SHOWN)));
    if (hits.length > SHOWN)
      group.append(element("details", {}, element("summary", {}, `Ещё на этой странице: ${hits.length - SHOWN}`), list(hits.slice(SHOWN))));
    return group;
  };

  const link = (query) => element("a", { href: `?q=${encodeURIComponent(query)}` }, query);
  const advice = (query) => {
    const words = wordsOf(query).map((word) => (found.has(family(word)) ? word : (nearest(word, word.length > 5 ? 2 : 1) ?? word)));
    const better = words.join(" ");
    if (better && better !== plain(query)) return ["Ничего не найдено. Возможно, вы искали: ", link(better), "?"];
    return ["Ничего не найдено. Попробуйте одно слово вместо нескольких или загляните в ", element("a", { href: pages.find(([uri]) => uri.endsWith("notation.html"))?.[0] ?? "." }, "словарь терминов"), "."];
  };
  const summary = (result) => {
    const parts = [`Найдено мест: ${result.count}, страниц: ${result.byPage.size}.`];
    if (!result.whole) parts.push(" Все слова сразу нигде не стоят: показано, где их больше всего.");
    for (const [word, form] of result.corrections) parts.push(` Слова «${word}» в книге нет, показано «${form}».`);
    return parts;
  };

  const fields = document.querySelectorAll("form.bd-search input[name=q]");
  const show = (query) => {
    const result = search(query);
    const empty = wordsOf(query).length === 0;
    document.getElementById("search-status").replaceChildren(...(empty ? [] : result.count ? summary(result) : advice(query)));
    const groups = [...result.byPage].map(([page, hits]) => pageOf(page, hits, result.roots));
    document.getElementById("search-results").replaceChildren(...groups);
  };

  const asked = new URLSearchParams(window.location.search).get("q") ?? "";
  fields.forEach((field) => {
    field.value = asked;
    field.addEventListener("input", () => show(field.value));
  });
  document.querySelector(".bd-search-container input").focus();
  show(asked);
  window.gradflowSearch = { family, search }; // for the tests
})();

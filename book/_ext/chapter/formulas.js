// MathJax as a function: one formula in, HTML and MathML out. Runs in V8 while the book is built, after MathJax's own files.
(() => {
  const components = MathJax._;
  const { STATE } = components.core.MathItem;
  const { TEXCLASS } = components.core.MmlTree.MmlNode;
  const { SerializedMmlVisitor } = components.core.MmlTree.SerializedMmlVisitor;
  const { TeXFont } = components.output.chtml.fonts.tex_ts;

  const adaptor = components.adaptors.liteAdaptor.liteAdaptor();
  components.handlers.html_ts.RegisterHTMLHandler(adaptor);
  const input = new components.input.tex_ts.TeX({
    packages: ["base", "ams"],
    formatError(_, error) {
      throw error;
    },
  });
  const output = new components.output.chtml_ts.CHTML({
    adaptiveCSS: false, // the whole style sheet; what no page uses is dropped when all pages are written
    matchFontHeight: false,
    font: new TeXFont({ fontURL: "." }),
  });
  const page = components.mathjax.mathjax.document("", { InputJax: input, OutputJax: output });
  const visitor = new SerializedMmlVisitor();

  const fullWidth = (box) => box.L + box.w + box.R;
  const sum = (widths) => widths.reduce((total, one) => total + one, 0);

  const INLINE_FITS = 8; // em: a shorter formula of the text stays in one piece
  const PART_FITS = 15; // em: a longer part between two relations may also break at its sums

  // Where a formula may break: at the relations outside of all brackets, and in a long part also at the operations.
  // In the text a line ends with the sign, in a display the next line begins with it.
  function breakPlaces(nodes, widths, display) {
    let depth = 0;
    const signs = nodes.map((node) => {
      if (node.texClass === TEXCLASS.OPEN) depth += 1;
      if (node.texClass === TEXCLASS.CLOSE) depth -= 1;
      const space = node.isKind("mstyle") && node.childNodes[0]?.childNodes[0];
      const pause = space && space.isKind("mspace") && parseFloat(space.attributes.get("width")) >= 1; // a quad or more
      if (depth > 0 || (!node.isKind("mo") && !pause)) return 0;
      if (pause || node.texClass === TEXCLASS.REL) return 2;
      return node.texClass === TEXCLASS.BIN ? 1 : 0;
    });
    const places = [];
    const add = (sign) => places.push(display && nodes[sign].isKind("mo") ? sign : sign + 1);
    for (let from = 0; from < nodes.length; ) {
      let to = from + 1;
      while (to < nodes.length && signs[to] !== 2) to += 1;
      if (sum(widths.slice(from, to)) > PART_FITS || !display)
        for (let sign = from + 1; sign < to; sign += 1) if (signs[sign] === 1) add(sign);
      if (to < nodes.length) add(to);
      from = to;
    }
    return [...new Set(places)].filter((place) => place > 0 && place < nodes.length).sort((a, b) => a - b);
  }

  // Returns the width of the longest piece that does not break, in em.
  function addBreaks(math, root, display) {
    output.nodeMap = new Map();
    const wrapper = output.factory.wrap(root).childNodes[0];
    const nodes = wrapper.node.childNodes;
    const children = adaptor.childNodes(math);
    if (children.length !== nodes.length) return fullWidth(output.factory.wrap(root).getOuterBBox());
    const widths = wrapper.childNodes.map((child) => fullWidth(child.getOuterBBox()));
    const places = !display && sum(widths) < INLINE_FITS ? [] : breakPlaces(nodes, widths, display);
    for (const place of places.toReversed()) adaptor.insert(adaptor.node("mjx-break"), children[place]);
    const ends = [...places, nodes.length];
    return Math.max(...ends.map((end, index) => sum(widths.slice(index && ends[index - 1], end))));
  }

  // An element around a single sign, or around a single part, draws nothing of its own.
  const AROUND = { "mjx-mi": ["mjx-c"], "mjx-mn": ["mjx-c"], "mjx-mo": ["mjx-c"], "mjx-TeXAtom": null };
  function slim(element) {
    for (const child of adaptor.childNodes(element)) if (adaptor.kind(child) !== "#text") slim(child);
    const [only, ...others] = adaptor.childNodes(element);
    const allowed = AROUND[adaptor.kind(element)];
    if (allowed === undefined || !only || others.length > 0 || adaptor.kind(only) === "#text") return;
    if (allowed && !allowed.includes(adaptor.kind(only))) return;
    const own = adaptor.allAttributes(element).filter(({ name }) => !["class", "texclass"].includes(name));
    if (own.some(({ name }) => adaptor.hasAttribute(only, name))) return;
    for (const { name, value } of own) adaptor.setAttribute(only, name, value);
    adaptor.replace(only, element);
  }

  globalThis.typeset = (source, display) => {
    try {
      const item = new page.options.MathItem(source, input, display);
      item.start.node = adaptor.body(page.document); // for measuring words that are not in the fonts
      item.setMetrics(16, 8, 1280, 1e6, 1);
      item.outputData.mtextFamily = "inherit"; // words look like the text around the formula
      item.convert(page, STATE.TYPESET);
      const math = adaptor.firstChild(item.typesetRoot);
      const width = addBreaks(math, item.root, display);
      slim(math);
      return JSON.stringify({ html: adaptor.outerHTML(math), mathml: visitor.visitTree(item.root), width });
    } catch (error) {
      if (error.id === undefined) throw error;
      return JSON.stringify({ error: error.message });
    }
  };

  globalThis.styleSheet = () => adaptor.textContent(output.styleSheet(page));
})();

// What is wider than its place scrolls inside itself. It shows by a fading edge that there is more, and whoever has no
// mouse can focus it.
(() => {
  "use strict";

  const SCROLLING = ".formula, mjx-container.wide, .pst-scrollable-table-container, .cell_output .output, .highlight pre";

  const measure = (box) => {
    const hidden = box.scrollWidth - box.clientWidth;
    const scrolls = hidden > 1 && getComputedStyle(box).overflowX !== "visible";
    return [box, scrolls, scrolls && box.scrollLeft > 1, scrolls && box.scrollLeft < hidden - 1];
  };
  const mark = ([box, scrolls, left, right]) => {
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    box.classList.toggle("more-left", left);
    box.classList.toggle("more-right", right);
  };
  const look = (boxes) => boxes.map(measure).forEach(mark); // a mark between two measures would lay out the page anew

  const start = () => {
    // The window, a moving sidebar, an opened block change the room of a box, and a font that comes late what it holds.
    // What has left its box has none any more.
    const resized = new ResizeObserver((entries) => look(entries.map((one) => one.target.closest(SCROLLING)).filter(Boolean)));
    const boxes = [...document.querySelectorAll(SCROLLING)];
    for (const box of boxes) {
      box.tabIndex = 0; // until it is measured
      whenNear(box, () => {
        box.addEventListener("scroll", () => look([box]), { passive: true });
        resized.observe(box);
        if (box.firstElementChild) resized.observe(box.firstElementChild);
      });
    }
    document.addEventListener("keydown", (event) => {
      if (event.key === "Tab") look(boxes);
    });
  };

  // Whoever copies a formula gets its TeX.
  document.addEventListener("copy", (event) => {
    const selection = document.getSelection();
    if (selection.isCollapsed || !event.clipboardData) return;
    const copied = document.createElement("div");
    for (let index = 0; index < selection.rangeCount; index += 1) copied.append(wholeFormulas(selection.getRangeAt(index)).cloneContents());
    const formulas = copied.querySelectorAll("mjx-container[data-tex]");
    if (formulas.length === 0) return;
    for (const formula of formulas) {
      const sign = formula.hasAttribute("display") ? "$$" : "$";
      formula.replaceWith(`${sign}${formula.dataset.tex}${sign}`);
    }
    document.body.append(copied); // only what stands in the page has line breaks
    const text = copied.innerText;
    copied.remove();
    event.clipboardData.setData("text/plain", text);
    event.clipboardData.setData("text/html", copied.innerHTML);
    event.preventDefault();
  });

  const wholeFormulas = (range) => {
    const whole = range.cloneRange();
    const formula = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.closest("mjx-container");
    const first = formula(whole.startContainer);
    const last = formula(whole.endContainer);
    if (first) whole.setStartBefore(first);
    if (last) whole.setEndAfter(last);
    return whole;
  };

  // The words by which the search has found this page (search.js).
  const highlight = () => {
    const words = (new URLSearchParams(window.location.search).get("highlight") ?? "").split(" ").filter(Boolean);
    if (words.length === 0 || !window.Highlight) return;
    const ranges = [];
    const texts = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/[\p{L}\p{N}]+/gu)) {
        if (!words.includes(word[0].toLowerCase().replaceAll("ё", "е"))) continue;
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        ranges.push(range);
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  };

  const begin = () => {
    start();
    highlight();
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();

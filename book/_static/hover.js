// What a reference names, shown beside it: a formula, a theorem, a figure, a term. By the mouse or by the keyboard;
// a finger follows the link. What stands on another page comes as a <template> of this one (previews.py).
(() => {
  "use strict";

  const WANTED = "div.math, div.proof, figure, dt";
  const DELAY = 200, GRACE = 200; // milliseconds: before it appears, and to reach it with the mouse
  const article = document.querySelector("article");
  const tip = Object.assign(document.createElement("div"), { className: "preview", id: "preview", hidden: true });
  tip.setAttribute("role", "tooltip");
  let link = null, timer = 0;

  const target = (one) => {
    const href = one.getAttribute("href");
    if (!href.startsWith("#")) return document.querySelector(`template[data-preview="${CSS.escape(href)}"]`)?.content;
    const there = document.getElementById(decodeURIComponent(href.slice(1)));
    if (!there?.matches(WANTED)) return null;
    if (!there.matches("dt")) return there;
    const term = document.createElement("dl");
    let meaning = there;
    while (meaning && !meaning.matches("dd")) meaning = meaning.nextElementSibling;
    term.append(there.cloneNode(true), meaning?.cloneNode(true) ?? "");
    return term;
  };
  const copied = (there) => {
    const copy = there.cloneNode(true);
    const all = (copy instanceof Element ? [copy] : []).concat(...copy.querySelectorAll("*"));
    for (const node of all) {
      if (node.matches(".headerlink, .moving, .moving-says, form, button, [role=status]")) node.remove();
      for (const name of ["id", "tabindex"]) if (!node.closest("svg")) node.removeAttribute(name);
      node.classList.remove("more-left", "more-right");
    }
    for (const inner of copy.querySelectorAll("a")) inner.replaceWith(...inner.childNodes);
    return copy;
  };
  const place = () => {
    const at = link.getClientRects()[0], room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const above = at.bottom + tip.offsetHeight + 8 > window.innerHeight && at.top > tip.offsetHeight + 8;
    tip.style.left = `${Math.max(8, Math.min(at.left, room))}px`;
    tip.style.top = `${above ? at.top - tip.offsetHeight - 6 : at.bottom + 6}px`;
  };
  const hide = () => {
    clearTimeout(timer);
    tip.hidden = true;
    link?.removeAttribute("aria-describedby");
    link = null;
  };
  const show = (one, there) => {
    hide();
    link = one;
    tip.replaceChildren(copied(there));
    bringCharts(tip);
    tip.hidden = false;
    link.setAttribute("aria-describedby", tip.id);
    place();
  };
  const later = (action, wait) => {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  };
  const referenced = (event) => {
    const one = event.target.closest?.("a.reference.internal[href*='#']");
    const there = one && target(one);
    return there ? [one, there] : null;
  };

  article.append(tip);
  article.addEventListener("pointerover", (event) => {
    const found = event.pointerType === "mouse" && referenced(event);
    if (found && found[0] !== link) later(() => show(...found), DELAY);
    else if (found) clearTimeout(timer);
  });
  article.addEventListener("pointerout", (event) => {
    if (event.pointerType === "mouse" && referenced(event)) later(hide, GRACE);
  });
  tip.addEventListener("pointerenter", () => clearTimeout(timer));
  tip.addEventListener("pointerleave", () => later(hide, GRACE));
  article.addEventListener("focusin", (event) => {
    const found = event.target.matches(":focus-visible") && referenced(event);
    if (found) show(...found);
  });
  article.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => link && place(), { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && link) hide();
  });
})();

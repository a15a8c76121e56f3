// What costs time waits until it comes near the screen. Whoever goes by the keyboard passes through all of it.
(() => {
  "use strict";

  const waiting = new Map();
  const bring = (element) => {
    const act = waiting.get(element);
    waiting.delete(element);
    near.unobserve(element);
    act?.();
  };
  const near = new IntersectionObserver(
    (entries) => entries.filter((one) => one.isIntersecting).forEach((one) => bring(one.target)),
    { rootMargin: "100%" },
  );
  // Act once, when the element comes near; the function returned acts at once.
  window.whenNear = (element, act) => {
    waiting.set(element, act);
    near.observe(element);
    return () => bring(element);
  };
  // A browser that looks for fields to fill lays out all that stands around them, however far it is: fields come late.
  window.bringFields = (element) => element.querySelectorAll("template").forEach((one) => one.replaceWith(one.content));
  // The shapes of a chart lie unread in a <noscript> of its size.
  window.bringCharts = (element) =>
    element.querySelectorAll(".gradflow-chart noscript").forEach((one) => { one.parentElement.outerHTML = one.textContent; });
  for (const chart of document.querySelectorAll(".gradflow-chart")) whenNear(chart, () => bringCharts(chart));
  window.addEventListener("beforeprint", () => bringCharts(document));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Tab") [...waiting.keys()].forEach(bring);
  });
})();

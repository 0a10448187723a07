// j, k and the arrow keys. Pages without a grid of pages: previous and next. A page with both:
// the arrows change the page, j and k move the focus between the images.
"use strict";
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (target.closest("input, select, textarea, .scroll")) return;
  const steps = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 };
  const step = steps[event.key];
  if (!step) return;
  const isGrid = document.body.querySelector(".results .grid") !== null;
  if (isGrid && event.key.length === 1) {
    const links = [...document.querySelectorAll(".results .grid a")];
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
    if (links[next]) links[next].focus();
  } else {
    const link = document.querySelector(`link[rel="${step > 0 ? "next" : "prev"}"]`);
    if (!link) return;
    location.assign(link.href);
  }
  event.preventDefault();
});

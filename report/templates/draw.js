(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("specifications").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const options = { actions: false, renderer: "svg", ast: true };
  // Each chart is drawn for light backgrounds, because it may be printed, and for dark ones when
  // they are used. The style sheet shows one of the two.
  const draw = (scheme) => Promise.all(
    [...document.querySelectorAll(`[data-scheme="${scheme}"]:not([data-drawn])`)].map((place) => {
      place.dataset.drawn = "";
      const { chart, configurations } = charts[place.dataset.chart];
      return vegaEmbed(place, { ...chart, config: configurations[scheme] }, options).then(() => {
        // On narrow screens a chart shrinks until its text would be too small, and then scrolls.
        const drawing = place.querySelector("svg");
        if (drawing) drawing.style.minWidth = `${Math.min(drawing.getAttribute("width"), 450)}px`;
      });
    }),
  );
  dark.addEventListener("change", () => dark.matches && draw("dark"));
  // Printed pages show the tables of the charts.
  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details")) each.open = true;
  });
  draw("light").then(() => dark.matches && draw("dark")).then(() => {
    document.documentElement.dataset.drawn = "";
  });
})();

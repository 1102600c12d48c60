// Draws every figure for the background that the reader has chosen, and again where that changes.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var config = JSON.parse(document.getElementById("figure-config").textContent);
  config.modeBarButtonsToAdd = [{
    name: "Download as PNG",
    icon: Plotly.Icons.disk,
    click: function (plot) {
      Plotly.downloadImage(plot, { format: "png", scale: 2, filename: plot.dataset.figure });
    },
  }];
  function draw(mode) {
    document.querySelectorAll("[data-figure]").forEach(function (box) {
      var both = JSON.parse(document.getElementById(box.dataset.figure).textContent);
      var figure = both[mode];
      config.toImageButtonOptions.filename = box.dataset.figure;
      Plotly.react(box, figure.data, figure.layout, config);
    });
  }
  function redraw() { draw(dark.matches ? "dark" : "light"); }
  dark.addEventListener("change", redraw);
  window.addEventListener("beforeprint", function () { draw("light"); });
  window.addEventListener("afterprint", redraw);
  redraw();
})();

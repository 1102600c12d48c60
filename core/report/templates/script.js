// Draws every figure for the background that the reader has chosen, and again where that changes.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var config = JSON.parse(document.getElementById("figure-config").textContent);
  function saves(format, icon) {
    return {
      name: "Download as " + format.toUpperCase(),
      icon: icon,
      click: function (plot) {
        Plotly.downloadImage(plot, { format: format, scale: 2, filename: plot.dataset.figure });
      },
    };
  }
  config.modeBarButtonsToRemove.push("toImage");
  config.modeBarButtonsToAdd = [saves("svg", Plotly.Icons.camera), saves("png", Plotly.Icons.disk)];
  function draw(mode) {
    document.querySelectorAll("[data-figure]").forEach(function (box) {
      var figure = JSON.parse(document.getElementById(box.dataset.figure).textContent)[mode];
      Plotly.react(box, figure.data, figure.layout, config);
    });
  }
  function redraw() { draw(dark.matches ? "dark" : "light"); }
  dark.addEventListener("change", redraw);
  window.addEventListener("beforeprint", function () { draw("light"); });
  window.addEventListener("afterprint", redraw);
  redraw();
})();

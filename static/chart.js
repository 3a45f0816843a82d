// The chart of a metric's page: zoom by dragging, back by a double click, and a crosshair that tells the value. The
// picture from the server stands until this one does, and stays where there is no script. Numbers are written by the server.

const colour = (element, part = "color") => getComputedStyle(element)[part];
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const seconds = (date) => Date.parse(`${date}T00:00:00Z`) / 1000;

function draw(frame) {
  const lines = [...frame.querySelectorAll("[data-line]")];
  const dates = frame.dataset.dates.split(",").filter(Boolean);
  if (!lines.length || dates.length < 2) return;
  const heights = frame.dataset.heights.split("|");
  const [low, high] = [Number(frame.dataset.low), Number(frame.dataset.high)];
  const isBar = frame.dataset.drawn === "bar";
  const data = [dates.map(seconds)];
  const series = [{ label: "When", value: (_, raw, __, at) => (at == null ? "–" : dates[at]) }];
  for (const line of lines) {
    const values = line.dataset.values.split(",").map((text) => (text === "" ? null : Number(text)));
    const labels = line.dataset.labels.split("|");
    const isOpen = [...line.dataset.open].map((mark) => mark === "1");
    const stroke = colour(line);
    const value = (_, __, ___, at) => (at == null ? "–" : labels[at]);
    const paths = isBar ? uPlot.paths.bars({ size: [0.66, 60] }) : undefined;
    const fill = isBar ? stroke : frame.dataset.drawn === "area" ? `color-mix(in srgb, ${stroke} 12%, transparent)` : undefined;
    const points = { show: !isBar && values.length < 3 };
    // What is settled, and apart from it what may still change, joined to the last settled point.
    data.push(values.map((one, at) => (isOpen[at] ? null : one)));
    series.push({ label: line.dataset.name, stroke, fill, width: isBar ? 0 : 2, value, paths, points });
    data.push(values.map((one, at) => (isOpen[at] || (!isBar && isOpen[at + 1]) ? one : null)));
    series.push({ stroke, fill: isBar ? `color-mix(in srgb, ${stroke} 40%, transparent)` : undefined, width: isBar ? 0 : 2, dash: isBar ? undefined : [4, 5], paths, points: { show: false }, class: "is-open" });
  }
  const ink = colour(frame);
  const grid = { stroke: colour(frame, "borderTopColor"), width: 1 };
  const font = `12px ${colour(frame, "fontFamily")}`;
  const options = {
    width: frame.clientWidth,
    height: frame.clientWidth < 500 ? 240 : 320,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    scales: { y: { range: [low, high] } },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: { show: false }, font, values: (_, at) => at.map((one) => day.format(one * 1000)) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 64, splits: () => [low, (low + high) / 2, high], values: () => [...heights].reverse() },
    ],
    series,
  };
  const holder = document.createElement("div");
  const plot = new uPlot(options, data, holder);
  frame.querySelector(".uplot")?.parentElement.remove();
  const picture = frame.querySelector(".chart-frame");
  if (picture) picture.hidden = true;
  frame.append(holder);
  return plot;
}

const plots = new Map();
const drawAll = () => {
  for (const frame of document.querySelectorAll("[data-plot]")) {
    const old = plots.get(frame);
    const plot = draw(frame);
    // What somebody looks at closely stays as close.
    const { min, max } = old?.scales.x ?? {};
    const [first, last] = [old?.data[0][0], old?.data[0].at(-1)];
    if (plot && (min > first || max < last)) plot.setScale("x", { min, max });
    old?.destroy();
    plots.set(frame, plot);
  }
};

drawAll();
document.addEventListener("dashtray:theme", drawAll);
document.addEventListener("dashtray:live", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
let width = innerWidth;
addEventListener("resize", () => {
  if (width === innerWidth) return;
  width = innerWidth;
  drawAll();
});

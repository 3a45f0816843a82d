// The chart of a metric's page: zoom by dragging, back by a double click, and a crosshair for mouse and arrow keys. The
// picture from the server stands until this one does, and stays where there is no script. Numbers are written by the server.

const colour = (element, part = "color") => getComputedStyle(element)[part];
const seconds = (date) => Date.parse(`${date}T00:00:00Z`) / 1000;
// As the server writes them.
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const written = (interval, at, isLong) => {
  const date = new Date(at * 1000);
  const [month, year] = [months[date.getUTCMonth()], date.getUTCFullYear()];
  if (interval === "month") return `${month} ${year}`;
  const day = `${date.getUTCDate()} ${month}`;
  if (!isLong) return day;
  return interval === "week" ? `Week of ${day} ${year}` : `${weekdays[date.getUTCDay()]} ${day} ${year}`;
};
const numbers = (text) => (text ?? "").split(",").filter(Boolean).map(Number);

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function draw(frame) {
  const told = frame.dataset;
  const dates = (told.dates ?? "").split(",").filter(Boolean);
  const lines = [...frame.querySelectorAll("[data-line]")].map((line) => ({
    name: line.dataset.name,
    stroke: colour(line),
    values: line.dataset.values.split(",").map((text) => (text === "" ? null : Number(text))),
    labels: line.dataset.labels.split("|"),
    isOpen: [...line.dataset.open].map((mark) => mark === "1"),
    isBefore: line.dataset.before !== undefined,
  }));
  // One point is no line; the server says so in words.
  if (!lines.length || dates.length < 2 || !told.heights) return;
  const [low, high, notes, changes] = [Number(told.low), Number(told.high), told.notes.split("|"), told.changes.split("|")];
  const [ink, ground, warn] = [colour(frame), colour(frame, "backgroundColor"), colour(frame, "outlineColor")];
  const isBar = told.drawn === "bar";
  const at = dates.map(seconds);
  const data = [at];
  const series = [{}];
  const owners = [-1];
  for (const [place, line] of lines.entries()) {
    const asBar = isBar && !line.isBefore;
    const asArea = told.drawn === "area" && !line.isBefore;
    const paths = asBar ? uPlot.paths.bars({ size: [0.66, 60] }) : undefined;
    const pale = (share) => `color-mix(in srgb, ${line.stroke} ${share}%, transparent)`;
    const base = { paths, stroke: line.isBefore ? pale(75) : line.stroke, width: asBar ? 0 : line.isBefore ? 1.25 : 2 };
    const few = !asBar && line.values.filter((one) => one !== null).length < 3;
    // What is settled, and apart from it what may still change, joined to the last settled point.
    data.push(line.values.map((one, here) => (line.isOpen[here] ? null : one)));
    series.push({ ...base, fill: asBar ? line.stroke : asArea ? pale(12) : undefined, dash: line.isBefore ? [5, 4] : undefined, points: { show: few } });
    data.push(line.values.map((one, here) => (line.isOpen[here] || (!asBar && line.isOpen[here + 1]) ? one : null)));
    series.push({ ...base, fill: asBar ? pale(40) : asArea ? pale(7) : undefined, dash: asBar ? undefined : [4, 5], points: { show: false } });
    owners.push(place, place);
  }
  const main = lines.find((line) => !line.isBefore) ?? lines[0];
  const dots = new Set(numbers(told.dots));
  data.push(main.values.map((one, here) => (dots.has(here) ? one : null)));
  series.push({ stroke: warn, width: 0, paths: () => null, points: { show: true, size: 8, width: 2, stroke: warn, fill: ground } });
  owners.push(-1);

  const holder = element("div", "plot-holder");
  const tip = element("div", "plot-tip");
  tip.hidden = true;
  const spoken = element("p", "sr");
  spoken.setAttribute("aria-live", "polite");
  let pointed = null;

  function tell(plot) {
    const here = plot.cursor.idx;
    if (here == null || plot.cursor.left < 0) {
      tip.hidden = true;
      return;
    }
    const rows = lines.filter((_, place) => plot.series[1 + 2 * place].show).reverse();
    tip.replaceChildren(element("strong", "", written(told.interval, at[here], true)));
    for (const line of rows) {
      const row = element("p", "");
      const swatch = element("span", line.isBefore ? "swatch is-before" : "swatch");
      swatch.style.color = line.stroke;
      const name = lines.length > 1 ? element("span", "quiet", line.name) : "";
      row.append(swatch, name, element("span", "number", line.labels[here]));
      tip.append(row);
    }
    if (changes[here]) {
      const row = element("p", "");
      row.append(element("span", "quiet", "Change"), element("span", "number", changes[here]));
      tip.append(row);
    }
    if (notes[here]) tip.append(element("p", "help", notes[here]));
    tip.hidden = false;
    const edge = plot.over.offsetLeft;
    const wanted = edge + plot.cursor.left + 14;
    const room = holder.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, wanted > room ? edge + plot.cursor.left - tip.offsetWidth - 14 : wanted)}px`;
  }

  const post = (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = warn;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const place of numbers(told.posts)) {
      const x = Math.round(plot.valToPos(at[place], "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };

  const font = `12px ${colour(frame, "fontFamily")}`;
  const grid = { stroke: colour(frame, "borderTopColor"), width: 1 };
  const heights = told.heights.split("|").reverse();
  // Half a bar stands beyond the first and the last point.
  const margin = isBar ? (at[at.length - 1] - at[0]) / (at.length - 1) / 2 : 0;
  // Dates stand below points that there are, as many as there is room for.
  const marks = (plot, _, from, to) => {
    const seen = at.filter((one) => one >= from && one <= to);
    const every = Math.max(1, Math.ceil((seen.length * 76) / Math.max(plot.width - 60, 76)));
    return seen.filter((_, place) => (seen.length - 1 - place) % every === 0);
  };
  const options = {
    width: frame.clientWidth,
    height: frame.clientWidth < 500 ? 220 : 320,
    padding: [8, 24, 0, 0],
    tzDate: (when) => uPlot.tzDate(new Date(when * 1000), "UTC"),
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
    scales: { x: { range: (_, from, to) => [from - margin, to + margin] }, y: { range: [low, high] } },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: { show: false }, font, size: 26, splits: marks, values: (_, all) => all.map((one) => written(told.interval, one, false)) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 60, splits: () => [low, (low + high) / 2, high], values: () => heights },
    ],
    series,
    hooks: { setCursor: [tell], draw: [post] },
  };
  const plot = new uPlot(options, data, holder);
  holder.append(tip, spoken);
  frame.querySelector(".plot-holder")?.remove();
  const picture = frame.querySelector(".chart-frame");
  if (picture) picture.hidden = true;
  frame.append(holder);

  // The crosshair by keyboard. The arrows move it here, and the dates everywhere else.
  holder.tabIndex = 0;
  holder.setAttribute("role", "application");
  holder.setAttribute("aria-roledescription", "chart");
  holder.setAttribute("aria-label", `${told.summary}. Arrow keys go from point to point.`);
  const point = (place) => {
    pointed = Math.min(Math.max(place, 0), at.length - 1);
    plot.setCursor({ left: plot.valToPos(at[pointed], "x"), top: 0 });
    spoken.textContent = [...tip.children].map((one) => [...one.childNodes].map((part) => part.textContent).join(" ")).join(", ");
  };
  holder.addEventListener("keydown", (event) => {
    const last = at.length - 1;
    const moves = { ArrowLeft: (pointed ?? last + 1) - 1, ArrowRight: (pointed ?? -1) + 1, Home: 0, End: last };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    point(moves[event.key]);
  });
  holder.addEventListener("blur", () => {
    pointed = null;
    plot.setCursor({ left: -10, top: -10 });
  });

  // A line of the legend takes its line away and brings it back; with Alt it leaves that one alone.
  const names = [...(frame.parentElement?.querySelectorAll("[data-legend]") ?? [])];
  if (lines.length > 1 && names.length === lines.length) {
    const show = (place, isShown) => {
      for (const [index, owner] of owners.entries()) if (owner === place) plot.setSeries(index, { show: isShown });
      names[place].firstElementChild.setAttribute("aria-pressed", String(isShown));
    };
    const isShown = (place) => plot.series[1 + 2 * place].show;
    for (const [place, name] of names.entries()) {
      const button = name.firstElementChild.tagName === "BUTTON" ? name.firstElementChild.cloneNode(true) : element("button", "legend-button");
      if (!button.hasChildNodes()) button.append(...name.childNodes);
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      name.replaceChildren(button);
      button.addEventListener("click", (event) => {
        if (!event.altKey) return show(place, !isShown(place));
        const isAlone = lines.every((_, other) => isShown(other) === (other === place));
        for (const other of lines.keys()) show(other, isAlone || other === place);
      });
    }
  }
  return plot;
}

const plots = new Map();
const drawAll = () => {
  for (const frame of document.querySelectorAll("[data-plot]")) {
    const old = plots.get(frame);
    const isFocused = frame.contains(document.activeElement);
    const plot = draw(frame);
    if (isFocused) frame.querySelector("[tabindex]")?.focus({ preventScroll: true });
    old?.series.forEach((line, at) => plot && !line.show && plot.setSeries(at, { show: false }));
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

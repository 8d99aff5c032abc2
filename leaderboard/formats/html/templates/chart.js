/* The palette of Okabe and Ito; dashes and marks repeat what the colours say. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "currentColor", "#e69f00", "#56b4e9", "#8c6bb1"];
const DASHES = ["", "8 3", "2 2.5", "8 3 2 3", "14 4"];
const MARKS = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (r) => `M0 ${-1.3 * r}L${1.2 * r} ${r}H${-1.2 * r}z`,
  (r) => `M0 ${-1.35 * r}L${1.35 * r} 0L0 ${1.35 * r}L${-1.35 * r} 0z`,
];
function look(at) {
  const turn = Math.floor(at / COLOURS.length);
  return { colour: COLOURS[at % 8], dash: DASHES[(at + turn) % 5], mark: MARKS[(at + turn) % 4] };
}

function swatch(style) {
  return draw("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" },
    draw("path", { d: "M1 6H33", stroke: style.colour, "stroke-dasharray": style.dash, "stroke-width": 2, fill: "none" }),
    draw("path", { d: style.mark(3.4), transform: "translate(17 6)", fill: style.colour }));
}

function ticks(low, high, wanted = 5) {
  const rough = (high - low || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) found.push(Number(tick.toPrecision(10)));
  return found;
}

/* series: [{name, style, points: [{x, y, s, text}]}]; s is the half-width of the band. */
function chart(holder, { series, xlabel, ylabel, positions = null, markers = true }) {
  holder.replaceChildren();
  const width = Math.max(300, Math.min(holder.clientWidth || 800, 1100));
  const height = Math.max(240, Math.min(380, width * 0.5));
  const edge = { left: 52, right: 14, top: 22, bottom: 42 };
  const points = series.flatMap((one) => one.points.filter((point) => point.y !== null));
  if (!points.length) return;
  const spread = (point) => point.s || 0;
  const xs = points.map((point) => point.x);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let y0 = Infinity, y1 = -Infinity;
  for (const point of points) { y0 = Math.min(y0, point.y - spread(point)); y1 = Math.max(y1, point.y + spread(point)); }
  const pad = (y1 - y0 || Math.abs(y1) || 1) * 0.06;
  [y0, y1] = [y0 - pad, y1 + pad];
  const X = (x) => edge.left + ((x - x0) / (x1 - x0 || 1)) * (width - edge.left - edge.right);
  const Y = (y) => height - edge.bottom - ((y - y0) / (y1 - y0)) * (height - edge.top - edge.bottom);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "img", "aria-label": `${ylabel} over ${xlabel}; arrow keys read the points` });
  for (const tick of ticks(y0, y1)) {
    svg.append(draw("line", { class: "grid", x1: edge.left, x2: width - edge.right, y1: Y(tick), y2: Y(tick) }),
      draw("text", { x: edge.left - 6, y: Y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  for (const tick of positions || ticks(x0, x1)) {
    svg.append(draw("line", { class: "axis", x1: X(tick), x2: X(tick), y1: height - edge.bottom, y2: height - edge.bottom + 4 }),
      draw("text", { x: X(tick), y: height - edge.bottom + 17, "text-anchor": "middle" }, String(tick)));
  }
  svg.append(draw("line", { class: "axis", x1: edge.left, x2: width - edge.right, y1: height - edge.bottom, y2: height - edge.bottom }),
    draw("text", { x: (edge.left + width - edge.right) / 2, y: height - 6, "text-anchor": "middle" }, xlabel),
    draw("text", { x: 4, y: 13 }, ylabel));
  for (const one of series) {
    const own = one.points.filter((point) => point.y !== null);
    if (own.some(spread)) {
      const upper = own.map((point) => `${X(point.x)} ${Y(point.y + spread(point))}`);
      const lower = own.map((point) => `${X(point.x)} ${Y(point.y - spread(point))}`).reverse();
      svg.append(draw("path", { d: `M${[...upper, ...lower].join("L")}z`, fill: one.style.colour, opacity: 0.13 }));
    }
    svg.append(draw("path", { d: `M${own.map((point) => `${X(point.x)} ${Y(point.y)}`).join("L")}`, fill: "none", stroke: one.style.colour, "stroke-width": 2, "stroke-dasharray": one.style.dash }));
    if (markers || own.length === 1) {
      for (const point of own) svg.append(draw("path", { class: "point", d: one.style.mark(4), transform: `translate(${X(point.x)} ${Y(point.y)})`, fill: one.style.colour }));
    }
  }
  const halo = draw("circle", { r: 8, fill: "none", stroke: "currentColor", "stroke-width": 2, visibility: "hidden" });
  svg.append(halo);
  const tell = (point) => {
    halo.setAttribute("cx", X(point.x)); halo.setAttribute("cy", Y(point.y)); halo.setAttribute("visibility", "visible");
    const box = svg.getBoundingClientRect();
    showTip(point.text, box.left + (X(point.x) / width) * box.width, box.top + (Y(point.y) / height) * box.height);
  };
  const leave = () => { halo.setAttribute("visibility", "hidden"); hideTip(); };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    let best = null, nearest = 40 ** 2;
    for (const point of points) {
      const distance = (X(point.x) - px) ** 2 + (Y(point.y) - py) ** 2;
      if (distance < nearest) [best, nearest] = [point, distance];
    }
    if (best) tell(best); else leave();
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  let [line, at] = [0, -1];
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    line = (line + step[0] + series.length) % series.length;
    const own = series[line].points.filter((point) => point.y !== null);
    if (!own.length) return;
    at = Math.max(0, Math.min(own.length - 1, at + step[1]));
    tell(own[at]);
  });
  holder.append(svg);
}

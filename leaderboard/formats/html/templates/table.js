const PAGE = 200;
const MOST_CURVES = 10;
const state = { table: data.first, sort: null, up: false, filter: "", limit: PAGE, off: new Set() };

const current = () => data.tables[state.table];

function visibleRows() {
  const table = current();
  const terms = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = table.rows.filter((row) => terms.every((term) => row.text.includes(term)));
  if (state.sort === null) return rows;
  const sign = state.up ? 1 : -1;
  const key = (row) => (state.sort < table.headings.length ? row.names[state.sort] : row.entries[state.sort - table.headings.length].mean);
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true }));
  });
}

function sortBy(at) {
  const numeric = at >= current().headings.length;
  if (state.sort === at) state.up = !state.up;
  else [state.sort, state.up] = [at, numeric ? current().better === "lower" : true];
  render();
  $("table").querySelectorAll("thead button")[at].focus();
}

function headCell(text, at, numeric) {
  const sorted = state.sort === at ? (state.up ? "ascending" : "descending") : null;
  return make("th", { scope: "col", class: numeric ? "number" : null, "aria-sort": sorted },
    make("button", { type: "button", onclick: () => sortBy(at) }, text));
}

function cellOf(row, cell, at) {
  const table = current();
  if (!cell.n) return make("td", { class: "number missing" }, `—(0/${cell.expected})`);
  const more = cell.n < cell.expected ? ` (${cell.n}/${cell.expected})` : "";
  const where = `${label(row.names)}, ${withUnit(table.over, table.columns[at])}`;
  const place = { best: ", best of its column", second: ", second best of its column" }[cell.place] || "";
  const tell = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const seeds = Object.entries(cell.values).slice(0, 12).map(([seed, value]) => `seed ${seed}: ${written(value, table.decimals)}`);
    const won = cell.gap_closed === null ? [] : [`gap closed: ${cell.gap_closed.toFixed(0)} % of the NDCG lost to noise`];
    showTip([where, ...seeds, ...won].join("\n"), box.left, box.bottom - 10);
  };
  return make("td", { class: "number" }, make("button", {
    type: "button", class: "cell", "aria-label": `${where}: ${spoken(cell, table)}${place}. Details`,
    onclick: () => openCell(table, row, cell, at), onpointerenter: tell, onfocus: tell, onpointerleave: hideTip, onblur: hideTip,
  }, make("span", { class: cell.place || null }, written(cell.mean, table.decimals)),
  make("small", {}, `${cell.std === null ? "" : ` ± ${written(cell.std, table.decimals)}`}${more}`)));
}

function lineOf(row) {
  const names = row.names.map((name, at) => make("th", { scope: "row", title: name.length > 24 ? name : null }, at ? name : `${name} ${row.note}`.trim()));
  return make("tr", {}, ...names, ...row.entries.map((cell, at) => cellOf(row, cell, at)));
}

function render() {
  const table = current();
  const rows = visibleRows();
  const shown = rows.slice(0, state.limit);
  const heads = [...table.headings, ...table.columns].map((text, at) => headCell(text, at, at >= table.headings.length));
  const body = (reference) => make("tbody", { class: reference ? "references" : null }, ...shown.filter((row) => row.reference === reference).map(lineOf));
  $("table").replaceChildren(make("thead", {}, make("tr", {}, ...heads)), body(false), body(true));
  $("caption").textContent = `${table.title}: ${table.metric} (${table.unit}) by ${table.over}; ${table.caption}`;
  $("count").textContent = `${rows.length} of ${table.rows.length} rows`;
  $("more").hidden = shown.length === rows.length;
  $("more").textContent = `Show more rows (${rows.length - shown.length} left)`;
  $("notes").replaceChildren(...table.notes.map((note) => make("li", {}, note)));
  renderCurves(rows);
  showOverflow();
}

function renderCurves(rows) {
  const table = current();
  const numeric = table.columns.length > 1 && table.columns.every((text) => text !== "" && Number.isFinite(Number(text)));
  $("curves").hidden = !numeric;
  if (!numeric) return;
  const drawn = rows.filter((row) => row.entries.some((cell) => cell.n)).slice(0, MOST_CURVES);
  $("curves-caption").textContent = `${table.title}: mean and one standard deviation over seeds` +
    (rows.length > drawn.length ? `; the first ${drawn.length} rows as sorted and filtered` : "");
  const series = drawn.map((row, order) => ({
    name: label(row.names), row, style: look(order),
    points: row.entries.map((cell, at) => ({
      x: Number(table.columns[at]), y: cell.mean, s: cell.std ?? null,
      text: cell.n ? `${label(row.names)}\n${withUnit(table.over, table.columns[at])}: ${spoken(cell, table)}` : "",
    })),
  }));
  $("legend").replaceChildren(...series.map((one) => make("button", {
    type: "button", "aria-pressed": String(!state.off.has(one.name)),
    onclick: () => { if (!state.off.delete(one.name)) state.off.add(one.name); renderCurves(rows); focusLegend(one.name); },
  }, swatch(one.style), one.name)));
  chart($("chart"), {
    series: series.filter((one) => !state.off.has(one.name)), xlabel: table.over,
    ylabel: `${table.metric} (${table.symbol || table.unit})`, positions: table.columns.map(Number),
  });
}

function focusLegend(name) {
  for (const button of $("legend").children) if (button.textContent === name) button.focus();
}

function csvOf(rows) {
  const table = current();
  const lines = [[...table.headings, table.over, "metric", "unit", "n", "mean", "std", "machine"]];
  for (const row of rows) row.entries.forEach((cell, at) => {
    if (cell.n) lines.push([...row.names, table.columns[at], table.metric, table.unit, cell.n, cell.mean, cell.std ?? "", cell.machine]);
  });
  return csvText(lines);
}

$("table").addEventListener("keydown", (event) => {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const cell = event.target.closest("td");
  if (!step || !cell) return;
  event.preventDefault();
  const lines = [...$("table").querySelectorAll("tbody tr")];
  let [line, at] = [lines.indexOf(cell.parentElement) + step[0], cell.cellIndex + step[1]];
  while (lines[line] && lines[line].cells[at]) {
    const button = lines[line].cells[at].querySelector("button");
    if (button) { button.focus(); return; }
    line += step[0]; at += step[1];
  }
});

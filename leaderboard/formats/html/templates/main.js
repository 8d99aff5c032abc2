for (const table of data.tables) for (const row of table.rows) row.text = [...row.names, row.note].join(" ").toLowerCase();

$("controls").addEventListener("submit", (event) => event.preventDefault());
$("which-label").hidden = data.tables.length < 2;
$("which").append(...data.tables.map((table, at) => make("option", { value: at }, `${table.title}: ${table.metric}`)));
$("which").value = String(data.first);
$("which").addEventListener("change", (event) => {
  Object.assign(state, { table: Number(event.target.value), sort: null, limit: PAGE });
  state.off.clear();
  render();
});
let waiting = 0;
$("filter").addEventListener("input", (event) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { Object.assign(state, { filter: event.target.value, limit: PAGE }); render(); }, 60);
});
$("more").addEventListener("click", () => { state.limit += PAGE; render(); });
$("download").addEventListener("click", () => {
  const address = URL.createObjectURL(new Blob([csvOf(visibleRows())], { type: "text/csv" }));
  make("a", { href: address, download: "leaderboard.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
});
let resizing = 0;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { showOverflow(); if (data.tables.length) renderCurves(visibleRows()); }, 120); });
for (const box of document.querySelectorAll(".scroll")) box.addEventListener("scroll", showOverflow, { passive: true });
showOverflow();
if (data.tables.length) render();

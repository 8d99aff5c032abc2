const dialog = $("details");
$("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

/* An option is not broken at its hyphens. */
const unbroken = (command) => command.split(" ").flatMap((word) => [make("span", {}, word), " "]);
const breakable = (name) => name.split(/(?<=[/_])/).flatMap((part) => [part, make("wbr", {})]);
const pairs = (entries) => make("dl", { class: "pairs" }, ...entries.map(([name, value]) => make("div", {}, make("dt", {}, ...breakable(name)), make("dd", {}, String(value)))));

function section(title, ...children) {
  return make("section", {}, make("h3", {}, title), ...children);
}

function openCell(table, row, cell, at) {
  hideTip();
  $("details-title").textContent = `${label(row.names)} · ${withUnit(table.over, table.columns[at])}`;
  const holder = make("div");
  const buttons = Object.keys(cell.values).map((seed) => make("button", {
    type: "button", "aria-pressed": "false",
    onclick: (event) => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      holder.replaceChildren(...runDetails(cell.runs[seed], table, cell.values[seed], seed));
      for (const drawer of drawers.splice(0)) drawer();
    },
  }, `seed ${seed}: ${written(cell.values[seed], table.decimals)}`));
  $("details-body").replaceChildren(make("p", {}, `${table.metric} (${table.unit}): ${spoken(cell, table)}; computed on: ${cell.machine}`), make("div", { class: "seeds" }, ...buttons), holder);
  dialog.showModal();
  if (buttons.length) buttons[0].click();
  dialog.scrollTop = 0;
}

const drawers = [];

function runDetails(at, table, value, seed) {
  const run = at === undefined ? null : data.details.runs[at];
  if (!run) return [make("p", {}, data.details.left_out)];
  const common = Object.entries(data.details.common);
  const own = Object.entries(run.settings);
  const environment = Object.entries(data.details.environments[run.environment] ?? {});
  const copy = make("button", { type: "button", onclick: () => navigator.clipboard?.writeText(run.command).then(() => { copy.textContent = "Copied"; }, () => {}) }, "Copy");
  const parts = [
    section("Command", make("div", { class: "command" }, make("code", {}, ...unbroken(run.command)), copy)),
    section("Run", pairs([["folder", run.folder], ["id", run.id], ...(run.origin ? [["origin", run.origin]] : []), ["seed", seed], ["machine", run.machine]])),
    section("Metrics", pairs(Object.entries(run.metrics))),
    section("Settings", pairs(own), make("details", {}, make("summary", {}, `${common.length} settings that all runs of this page share`), pairs(common))),
    section("Label noise", pairs(Object.entries(run.noise))),
  ];
  if (environment.length || run.timing.length) parts.push(section("Environment", pairs([...run.timing, ...environment])));
  if (run.history) parts.push(history(run.history));
  if (run.strips) parts.push(strips(run.strips));
  return parts;
}

function history(recorded) {
  const names = Object.keys(recorded.series);
  const holder = make("div", { class: "chart" });
  const show = (name) => chart(holder, {
    xlabel: "epoch", ylabel: name, markers: false,
    series: [{ name, style: look(0), points: recorded.epochs.map((epoch, at) => ({ x: epoch, y: recorded.series[name][at], text: `epoch ${epoch}: ${recorded.series[name][at]}` })) }],
  });
  const chosen = make("select", { onchange: (event) => show(event.target.value) }, ...names.map((name) => make("option", { value: name }, name)));
  drawers.push(() => show(names[0]));
  return section("History", make("label", {}, "Show ", chosen), holder);
}

function strips(recorded) {
  const image = new Image();
  const canvases = [];
  const picture = (entry, row, column, kind, title) => {
    const canvas = make("canvas", { width: recorded.width, height: recorded.height, role: "img", "aria-label": `${title}${entry.wrong ? ", shares no label with the query" : ""}` });
    canvases.push([canvas, column * recorded.width, row * recorded.height]);
    return make("figure", { class: `${kind}${entry.wrong ? " wrong" : ""}` }, canvas,
      make("figcaption", {}, make("b", {}, `${title}${entry.wrong ? " ✗" : ""}`), entry.labels.length ? ` ${entry.labels.join(", ")}` : ""));
  };
  const lines = recorded.queries.map((query, row) => make("div", { class: "strip", tabindex: 0, role: "group", "aria-label": `query ${row + 1}` },
    picture(query, row, 0, "query", "query"), ...query.retrieved.map((entry, at) => picture(entry, row, at + 1, "hit", String(at + 1)))));
  image.addEventListener("load", () => {
    for (const [canvas, x, y] of canvases) canvas.getContext("2d").drawImage(image, x, y, recorded.width, recorded.height, 0, 0, recorded.width, recorded.height);
  });
  image.src = recorded.image;
  const labelled = recorded.queries.some((query) => query.labels.length);
  const said = labelled ? "Clean labels under each picture; ✗ and a dashed frame mark what shares no label with the query." : "The record keeps no labels of these pictures.";
  return section("Retrieved for fixed queries", make("p", {}, said), ...lines);
}

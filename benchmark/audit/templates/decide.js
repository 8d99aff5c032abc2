function decide(word) {
  const suspect = state.shown[state.at];
  if (!suspect) return;
  state.undo.push([suspect.key, decisions.get(suspect.key)]);
  decisions.set(suspect.key, word);
  store();
  if ($("state").value) render();
  else { refresh(state.at); choose(state.at + 1); }
  count();
  whileLooking();
}

function undo() {
  const last = state.undo.pop();
  if (!last) return;
  const [key, before] = last;
  if (before) decisions.set(key, before);
  else decisions.delete(key);
  store();
  render();
  const at = state.shown.findIndex((suspect) => suspect.key === key);
  if (at >= 0) choose(at);
  whileLooking();
}

const across = () => Math.max(1, getComputedStyle($("cards")).gridTemplateColumns.split(" ").length);
const go = (at) => { choose(at); whileLooking(); };
const KEYS = {
  a: () => decide("accept"), r: () => decide("reject"), s: () => decide("unsure"), u: undo,
  m: nextLayer, "+": () => zoomBy(ZOOM.step), "-": () => zoomBy(1 / ZOOM.step),
  Enter: () => { if ($("look").open) $("look").close(); else showLook(); },
  ArrowRight: () => go(state.at + 1), ArrowLeft: () => go(state.at - 1),
  ArrowDown: () => go(state.at + across()), ArrowUp: () => go(state.at - across()),
  Home: () => go(0), End: () => go(state.shown.length - 1),
};
addEventListener("keydown", (event) => {
  const elsewhere = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || (event.target.tagName === "BUTTON" && event.key === "Enter");
  if (elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) { event.preventDefault(); act(); }
});

function save(name, text, note = "") {
  const blob = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: blob, download: name }).click();
  const next = data.next[name];
  $("saved").replaceChildren(`${name} was saved to your downloads. ${note}`,
    ...(next ? ["Move it to the folder in which you type commands. Next: ", make("code", {}, next)] : []));
  setTimeout(() => URL.revokeObjectURL(blob), 1000);
}

function decisionRows() {
  const decided = data.suspects.filter((suspect) => decisions.has(suspect.key));
  const rows = decided.map((suspect) => [data.images[suspect.image].name, suspect.finding || data.classes[suspect.label], decisions.get(suspect.key),
    suspect.finding ? KEY : kindOf(suspect), ...(suspect.replaced ? [names(suspect.instead)] : [])]);
  // So that decisions of another audit are noticed: findings have other numbers there, corrected labels another kind, and
  // networks may see another class in the place of a single label.
  const noticed = [WHAT === "map" ? "audit" : "kind", ...(decided[0]?.replaced ? ["becomes"] : [])];
  return [["sample", WHAT === "map" ? "finding" : "label", "decision", ...noticed], ...rows];
}

/* What the corrected labels entail: images without one, and other test labels where all splits were audited. */
function notes() {
  const { splits, labels } = data.table;
  const several = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const others = data.suspects.filter((suspect) => decisions.get(suspect.key) === "accept" && splits[data.images[suspect.image].row] !== "train").length;
  const empty = labelSets().filter((set, at) => !set.size && labels[at].length).length;
  return (others ? `It changes ${several(others, "label")} of validation and test images, so scores on them cannot be compared with earlier ones. ` : "")
    + (empty ? `It leaves ${several(empty, "image")} without a label, which data prepare folder leaves out. ` : "");
}

function labelSets() {
  const sets = data.table.labels.map((row) => new Set(row));
  for (const suspect of data.suspects) {
    if (decisions.get(suspect.key) !== "accept") continue;
    const set = sets[data.images[suspect.image].row];
    if (suspect.wrong) set.delete(suspect.label);
    if (suspect.replaced) suspect.instead.forEach((label) => set.add(label));
    if (!suspect.wrong) set.add(suspect.label);
  }
  return sets;
}

function labelRows() {
  const { names: files, splits, groups } = data.table;
  const sets = labelSets();
  return files.map((file, at) => [file, splits[at], ...(groups ? [groups[at]] : []), ...data.classes.map((_, label) => Number(sets[at].has(label)))]);
}

$("accept").addEventListener("click", () => decide("accept"));
$("reject").addEventListener("click", () => decide("reject"));
$("unsure").addEventListener("click", () => decide("unsure"));
$("enlarge").addEventListener("click", showLook);
$("close").addEventListener("click", () => $("look").close());
for (const word of ["accept", "reject", "unsure"]) $(`look-${word}`).addEventListener("click", () => decide(word));
for (const id of ["undo", "look-undo"]) $(id).addEventListener("click", undo);
$("back").addEventListener("click", () => go(state.at - 1));
$("forth").addEventListener("click", () => go(state.at + 1));
$("layer")?.addEventListener("click", nextLayer);
$("more").addEventListener("click", () => { state.limit += PAGE; render(); });
$("decisions").addEventListener("click", () => save("decisions.csv", csvText(decisionRows())));
if ($("labels")) {
  const name = data.injected ? "labels-with-injected-noise.csv" : "labels.csv";
  $("labels").addEventListener("click", () => save(name, csvText([["file", "split", ...(data.table.groups ? ["group"] : []), ...data.classes], ...labelRows()]), notes()));
}
$("controls").addEventListener("submit", (event) => event.preventDefault());
const there = [...new Set(data.suspects.map((suspect) => suspect.label))].sort((a, b) => a - b);
$("class").append(make("option", { value: "" }, "all"), ...there.map((label) => make("option", { value: label }, data.classes[label])));
for (const id of FILTERS) {
  $(id)?.addEventListener("change", () => { Object.assign(state, { at: 0, limit: PAGE }); render(); });
}
render();

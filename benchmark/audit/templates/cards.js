const PAGE = 120;
const KEY = `gridbench audit ${data.id}`;
/* Findings of label maps have a number, a kind and overlays; suspicious labels have none of these. */
const WHAT = data.suspects.some((suspect) => suspect.finding) ? "map" : "label";
const WORDS = { accept: `accepted: the ${WHAT} changes`, reject: `rejected: the ${WHAT} stays`, unsure: `unsure: the ${WHAT} stays for now` };
/* Single labels are all of one kind, so their page has no list of kinds. */
const FILTERS = ["class", "kind", "state"];
const state = { at: 0, limit: PAGE, shown: [], undo: [], kept: true };
const decisions = new Map(Object.entries(stored()));

data.suspects.forEach((suspect, at) => { suspect.rank = at; });
for (const suspect of data.suspects) suspect.key = `${data.images[suspect.image].row}/${suspect.finding || suspect.label}`;
const known = new Set(data.suspects.map((suspect) => suspect.key));
for (const key of decisions.keys()) if (!known.has(key)) decisions.delete(key);

/* A page opened from disk may be denied storage; then decisions last as long as the page. */
function stored() {
  try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
}
function store() {
  let kept = true;
  try { localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(decisions))); } catch { kept = false; }
  state.kept = kept;
}

/* No estimate is certain. */
const chance = (score) => (score > 0.99 ? "over 99 %" : score < 0.01 ? "under 1 %" : `${Math.round(100 * score)} %`);
const names = (labels) => labels.map((label) => data.classes[label]).join(", ");

const changeOf = (suspect) => suspect.ask || (suspect.replaced ? `${data.classes[suspect.label]} becomes ${names(suspect.instead)}`
  : `${suspect.wrong ? "take away" : "add"}: ${data.classes[suspect.label]}`);
const kindOf = (suspect) => suspect.kind || (suspect.wrong ? "wrong" : "missing");

function fits(suspect) {
  const [label, kind, wanted] = FILTERS.map((id) => $(id)?.value ?? "");
  const decided = decisions.get(suspect.key);
  return (label === "" || suspect.label === Number(label)) && (kind === "" || kind === kindOf(suspect))
    && (wanted === "" || (wanted === "open" ? !decided : decided === wanted));
}

function cardOf(suspect, at) {
  const image = data.images[suspect.image];
  const decided = decisions.get(suspect.key) || "";
  const question = suspect.kind ? `${suspect.kind[0].toUpperCase()}${suspect.kind.slice(1)}?` : suspect.wrong ? "Wrong label?" : "Missing label?";
  const change = changeOf(suspect);
  const instead = suspect.wrong && suspect.instead.length && !suspect.replaced ? `seen instead: ${names(suspect.instead.slice(0, 3))}` : "";
  return make("article", {
    class: `card ${decided}`, role: "option", id: `card-${at}`, "aria-selected": at === state.at ? "true" : "false",
    onclick: () => { choose(at, false); $("cards").focus({ preventScroll: true }); },
  },
  make("div", { class: "thumb" }, make("img", { src: image.picture, alt: "", width: 128, height: 128, loading: "lazy", onclick: (event) => { event.stopPropagation(); choose(at, false); showLook(); },
    onmouseenter: (event) => hover(event, image), onmouseleave: leave }),
  suspect.region ? make("img", { src: suspect.region, class: "outline", alt: "" }) : null),
  make("div", {},
    make("p", { class: "ask" }, question, make("b", {}, change)),
    make("p", {}, `${chance(suspect.score)} probable${suspect.area ? `, ${(100 * suspect.area).toFixed(1)} % of the map` : ""}`),
    make("p", { class: "state" }, WORDS[decided] || "")),
  make("p", { class: "more" }, `given: ${names(image.given) || "none"}`),
  instead ? make("p", { class: "more" }, instead) : null,
  make("p", { class: "more" }, image.name));
}

function count() {
  const all = [...decisions.values()];
  const accepted = all.filter((word) => word === "accept").length;
  // Progress is measured to the stopping line, since nobody should go through the whole list.
  const { look } = data.expected;
  const goal = data.suspects.slice(0, look || data.suspects.length);
  const beyond = Math.max(0, look - data.suspects.length);
  const rest = beyond ? ` ${beyond} more above the stopping line ${beyond === 1 ? "is" : "are"} not on this page.` : "";
  const open = goal.filter((suspect) => !decisions.has(suspect.key)).length;
  $("progress").max = goal.length || 1;
  $("progress").value = goal.length - open;
  const whole = beyond ? "on this page" : "above the stopping line";
  $("left").replaceChildren(...!look ? [] : open ? [`${open} to go ${whole}.`, rest]
    : [`All ${whole} are decided: `, make("a", { href: "#export" }, "export them"), `.${rest}`]);
  const unsure = all.filter((word) => word === "unsure").length;
  $("count").textContent = `${all.length} of ${data.suspects.length} decided: ${accepted} accepted, ${all.length - accepted - unsure} rejected, ${unsure} unsure; ${state.shown.length} shown`;
  $("kept").textContent = state.kept ? "Decisions are kept in this browser." : "This browser keeps no decisions: export before you close the page.";
  $("undo").disabled = !state.undo.length;
}

function render() {
  state.shown = data.suspects.filter(fits);
  state.at = Math.max(0, Math.min(state.at, state.shown.length - 1));
  const cards = state.shown.slice(0, state.limit).map(cardOf);
  const past = state.shown.findIndex((suspect) => suspect.rank >= data.expected.look);
  $("cards").replaceChildren(...cards.flatMap((card, at) => (at === past ? [stoppingLine(), card] : [card])));
  $("more").hidden = state.shown.length <= state.limit;
  $("nothing").hidden = state.shown.length > 0;
  for (const id of ["accept", "reject", "unsure", "enlarge"]) $(id).disabled = !state.shown.length;
  point();
  count();
}

function stoppingLine() {
  return make("p", { class: "line", role: "presentation" }, data.expected.look
    ? "Stopping line: from here on, fewer than one in five is expected to be an error."
    : "Stopping line: fewer than one in five of these is expected to be an error.");
}

function point() {
  drawCurve();
  const card = $(`card-${state.at}`);
  if (card) $("cards").setAttribute("aria-activedescendant", card.id);
  else $("cards").removeAttribute("aria-activedescendant");
  return card;
}

function refresh(at) {
  if (at < state.shown.length && $(`card-${at}`)) $(`card-${at}`).replaceWith(cardOf(state.shown[at], at));
}

function choose(at, scroll = true) {
  const before = state.at;
  state.at = Math.max(0, Math.min(at, state.shown.length - 1));
  if (state.at >= state.limit) { state.limit = PAGE * Math.ceil((state.at + 1) / PAGE); render(); } else { refresh(before); refresh(state.at); }
  const card = point();
  if (scroll && card) card.scrollIntoView({ block: "nearest" });
}

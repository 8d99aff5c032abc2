/* The image in full size: beside the card while the mouse is on its picture, and in a dialog that Enter opens. */
const ZOOM = { least: 1, most: 8, step: 1.5 };
const view = { zoom: 1, outlines: true, layer: 0 };
const LAYERS = ["edge of the finding", "map as given", "map as suspected", "image alone"];
function nextLayer() {
  view.outlines = !view.outlines;
  view.layer = (view.layer + 1) % LAYERS.length;
  whileLooking();
}
const layersOf = (suspect, image) => [suspect.region, image.overlay, suspect.overlay, null];

const address = (image) => image.full || image.picture;
const shownSuspect = () => state.shown[state.at];

function hover(event, image) {
  const box = $("float");
  box.replaceChildren(make("img", { src: address(image), alt: "" }));
  box.hidden = false;
  const left = event.clientX > innerWidth / 2;
  box.style.left = left ? "8px" : "";
  box.style.right = left ? "" : "8px";
  box.style.bottom = "8px";
}
function leave() { $("float").hidden = true; }

function example(at) {
  const image = data.images[at];
  return make("figure", {}, make("img", { src: image.picture, alt: "" }), make("figcaption", {}, names(image.given) || "no label"));
}
function strip(title, images) {
  return images.length ? [make("h3", {}, title), make("div", { class: "strip" }, ...images.map(example))] : [];
}

/* Both maps at once, so that nobody has to remember one while looking at the other. */
function bothMaps(suspect, image) {
  const one = (title, overlay) => make("figure", {},
    make("div", { class: "stack" }, make("img", { src: image.picture, alt: "" }), make("img", { src: overlay, class: "outline tint", alt: "" }),
      make("img", { src: suspect.region, class: "outline", alt: "" })),
    make("figcaption", {}, title));
  return make("div", { class: "strip both" }, one("as given", image.overlay), one("as suspected", suspect.overlay));
}

function legend(suspect, image) {
  const classes = [...new Set([...image.given, suspect.label])];
  return [make("p", {}, make("b", {}, `shown: ${LAYERS[view.layer]}`), " (m: next)"), bothMaps(suspect, image),
    make("p", { class: "legend" }, ...classes.map((label) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = data.colours[label];
      return make("span", {}, swatch, data.classes[label]);
    }))];
}

function showLook() {
  const suspect = shownSuspect();
  if (!suspect) { $("look").close(); return; }
  const image = data.images[suspect.image];
  const others = image.given.filter((label) => label !== suspect.label).slice(0, 2);
  const sharp = !image.full;
  const sheet = make("div", { class: `picture${sharp ? " sharp" : ""}` }, make("img", { src: address(image), alt: "" }),
    image.outline && view.outlines ? make("img", { src: image.outline, class: "outline", alt: "" }) : null);
  if (suspect.finding) {
    const layer = layersOf(suspect, image)[view.layer];
    sheet.append(...(layer ? [make("img", { src: layer, class: `outline${view.layer ? " tint" : ""}`, alt: "" })] : []),
      ...(view.layer === 1 || view.layer === 2 ? [make("img", { src: suspect.region, class: "outline", alt: "" })] : []));
  }
  sheet.style.setProperty("--zoom", view.zoom);
  const decided = decisions.get(suspect.key) || "";
  $("look-body").replaceChildren(
    make("div", { class: "frame", tabindex: "0", onwheel: (event) => { event.preventDefault(); zoomBy(event.deltaY < 0 ? ZOOM.step : 1 / ZOOM.step); } }, sheet),
    make("div", { class: decided },
      make("p", { class: "ask" }, `${suspect.rank + 1} of ${data.suspects.length}: ${suspect.kind ? `${suspect.kind}?` : suspect.wrong ? "is this label wrong?" : "is this label missing?"}`),
      make("h2", {}, changeOf(suspect)),
      make("p", {}, `probability that it is an error: ${chance(suspect.score)}`),
      make("p", {}, `given: ${names(image.given) || "none"}`),
      make("p", { class: "state" }, WORDS[decided] || "not decided"),
      ...(suspect.finding ? legend(suspect, image) : []),
      ...strip(`Typical of ${data.classes[suspect.label]}`, data.typical[suspect.label]),
      ...(suspect.replaced ? suspect.instead.flatMap((label) => strip(`Typical of ${data.classes[label]}`, data.typical[label])) : []),
      ...others.flatMap((label) => strip(`Typical of ${data.classes[label]}`, data.typical[label])),
      ...strip("Seen alike by the models", image.alike),
      make("p", {}, image.name)));
  if (!$("look").open) $("look").showModal();
  // Enter would press a button that has the focus.
  $("look-body").querySelector(".frame").focus({ preventScroll: true });
}
function zoomBy(factor) {
  view.zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, view.zoom * factor));
  const sheet = document.querySelector(".picture");
  if (sheet) sheet.style.setProperty("--zoom", view.zoom);
}
$("look").addEventListener("close", () => { view.zoom = 1; $("cards").focus({ preventScroll: true }); });
const whileLooking = () => { if ($("look").open) showLook(); };

/* What to expect along the list: precision with its interval, the stopping line, and where the chosen card stands. */
const CURVE = { width: 640, height: 170, left: 40, right: 10, top: 14, bottom: 26 };
function drawCurve() {
  if (!data.suspects.length) return;
  const { k, precision, low, high, look } = data.expected;
  const last = Math.min(k[k.length - 1], Math.max(data.suspects.length, look, 2));
  const within = k.filter((count) => count < last).length;
  // The end of the axis lies between two lengths whose precision is known.
  const ended = (values) => {
    const [from, to] = [Math.max(0, within - 1), within];
    const share = k[to] > k[from] ? (last - k[from]) / (k[to] - k[from]) : 1;
    return [...values.slice(0, within), values[from] + share * (values[to] - values[from])];
  };
  const ends = ended(k);
  const x = (count) => CURVE.left + (CURVE.width - CURVE.left - CURVE.right) * Math.min(1, count / last);
  const y = (share) => CURVE.top + (CURVE.height - CURVE.top - CURVE.bottom) * (1 - share);
  const path = (values, rows = ends.map((_, at) => at)) => rows.map((at) => `${x(ends[at]).toFixed(1)},${y(values[at]).toFixed(1)}`).join(" ");
  const beside = (at) => (at < CURVE.width / 2 ? { x: at + 4 } : { x: at - 4, "text-anchor": "end" });
  const nodes = [0, 0.5, 1].flatMap((share) => [
    draw("line", { class: "axis", x1: CURVE.left, x2: CURVE.width - CURVE.right, y1: y(share), y2: y(share) }),
    draw("text", { x: 2, y: y(share) + 4 }, `${100 * share} %`)]);
  nodes.push(draw("polygon", { class: "band", points: `${path(ended(low))} ${path(ended(high), ends.map((_, at) => at).reverse())}` }));
  nodes.push(draw("polyline", { class: "mean", points: path(ended(precision)) }));
  nodes.push(draw("line", { class: "stop", x1: x(look), x2: x(look), y1: CURVE.top, y2: y(0) }),
    draw("text", { ...beside(x(look)), y: CURVE.top + 10 }, "stop here"));
  const here = shownSuspect() ? shownSuspect().rank + 1 : 0;
  nodes.push(draw("line", { class: "here", x1: x(here), x2: x(here), y1: CURVE.top, y2: y(0) }),
    draw("text", { ...beside(x(here)), y: CURVE.height - 8, id: "here" }, `you are here: ${here}`));
  $("curve").replaceChildren(...nodes);
}

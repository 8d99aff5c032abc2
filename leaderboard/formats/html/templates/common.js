const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

/* Everything from a record enters the page as text, never as markup. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const label = (names) => names.filter((name, at) => name && !(at === 1 && name === names[0])).join(" · ");

/* Values before their unit: "SLNIR (%)" and "30" give "SLNIR 30 %". */
function withUnit(headings, values) {
  const found = values.split(" · ");
  return headings.split(" · ").map((heading, at) => {
    const [, name, unit] = /^(.*?)(?: \((.*)\))?$/.exec(heading);
    return [name, found[at], unit].filter(Boolean).join(" ");
  }).join(", ");
}

const written = (value, decimals) => (value === null || value === undefined ? "" : value.toFixed(decimals));

function spoken(cell, table) {
  const spread = cell.std === null ? "" : ` ± ${written(cell.std, table.decimals)}`;
  return `${written(cell.mean, table.decimals)}${spread} (n = ${cell.n})`;
}

const tip = $("tip");
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
  tip.style.top = `${y + box.height + 20 > innerHeight ? Math.max(4, y - box.height - 10) : y + 14}px`;
}
function hideTip() { tip.hidden = true; }
addEventListener("scroll", hideTip, { capture: true, passive: true });

/* A table that is wider than the screen fades out where there is more, and says so above. */
function showOverflow() {
  for (const box of document.querySelectorAll(".scroll")) {
    const hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("more", hidden - box.scrollLeft > 4);
    let hint = box.previousElementSibling;
    if (!hint || !hint.classList.contains("hint")) { hint = make("p", { class: "hint" }, "Scroll the table sideways for more columns →"); box.before(hint); }
    hint.hidden = hidden < 5;
  }
}

const themes = ["as the system", "dark", "light"];
let theme = 0;
$("theme").addEventListener("click", () => {
  theme = (theme + 1) % themes.length;
  if (theme) document.documentElement.dataset.theme = themes[theme];
  else delete document.documentElement.dataset.theme;
  $("theme").textContent = `Theme: ${themes[theme]}`;
});

// Text that a spreadsheet would run as a formula, as in core/csv_files.py.
const FORMULA = /^[\s'\x00-\x1f\x7f-\x9f\p{DI}\u2800\ufff9-\ufffb\u{13430}-\u{1343f}\u{16fe4}\u{1d159}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^'*[\t\r]/u;
const LATER = /([;\t\r\n|])(?![+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:[;\t\r\n|]|$))(?=[\s'\x00-\x1f\x7f-\x9f\p{DI}\u2800\ufff9-\ufffb\u{13430}-\u{1343f}\u{16fe4}\u{1d159}]*[=+\-@\uff1d\uff0b\uff0d\uff20])/gu;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
function csvText(rows) {
  const cell = (value) => {
    const inside = String(value).replace(LATER, "$1'");
    const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${inside}` : inside;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

// The heatmap as a table: fits its columns to the width there is, keeps heads in view, works by keyboard.
// All text arrives as data and is put in by textContent: names of tasks are other people's words.

const TIGHT_PX = 44; // a column narrower than this shows whole numbers
const LEAST_PX = 20; // and none is narrower than this: the box scrolls instead

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".grid");
  const focused = root.dataset.focus || "";
  const had_focus = root.contains(root.getRootNode().activeElement);
  const box = element("div", "box");
  const tip = element("div", "tip");
  tip.setAttribute("role", "tooltip");
  const table = element("table", "heatmap");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", data.alt);
  table.append(head(data), body(data));
  box.append(table);
  const scrolled = root.querySelector(".box")?.scrollTop || 0;
  root.replaceChildren(box, scale(data.scale), tip);
  box.scrollTop = scrolled;

  const pick = (cell) => setTriggerValue("picked", [cell.dataset.lang, cell.dataset.name]);
  const fit = () => fitColumns(root, table, data.columns.length);
  const watcher = new ResizeObserver(fit);
  watcher.observe(root);
  fit();

  const stops = [...table.querySelectorAll("[data-at]")];
  const at = (place) => table.querySelector(`[data-at="${place}"]`);
  const enter = (cell, { focus }) => {
    stops.forEach((each) => (each.tabIndex = each === cell ? 0 : -1));
    root.dataset.focus = cell.dataset.at;
    if (focus) cell.focus();
  };
  if (root.dataset.chosen !== data.chosen[0]) reveal(box, table.querySelector("tbody th.chosen"));
  root.dataset.chosen = data.chosen[0];
  enter(at(focused) || at("0,0") || stops[0], { focus: had_focus });
  table.onclick = (event) => {
    const cell = event.target.closest("[data-at]");
    if (!cell) return;
    enter(cell, { focus: true });
    pick(cell);
  };
  table.onkeydown = (event) => {
    const cell = event.target.closest("[data-at]");
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pick(cell);
    } else if (event.key === "Escape") {
      hide(tip);
    } else if (moves[event.key]) {
      const [row, column] = cell.dataset.at.split(",").map(Number);
      const next = at(`${row + moves[event.key][0]},${column + moves[event.key][1]}`);
      event.preventDefault();
      if (next) enter(next, { focus: true });
    }
  };
  const say = (event) => {
    const cell = event.target.closest("[data-hover]");
    if (cell && cell.dataset.hover) show(tip, cell);
    else hide(tip);
  };
  table.onmouseover = say;
  table.onmouseleave = () => hide(tip);
  box.onscroll = () => hide(tip);
  table.addEventListener("focusin", (event) => {
    if (event.target.matches(":focus-visible")) say(event);
  });
  table.addEventListener("focusout", () => hide(tip));
  return () => watcher.disconnect();
}

// A chosen language that lies outside of the box is brought to its middle, below the heads, which stay.
function reveal(box, cell) {
  if (!cell) return;
  const [area, here] = [box.getBoundingClientRect(), cell.getBoundingClientRect()];
  const top = area.top + box.querySelector("thead").getBoundingClientRect().height;
  if (here.top < top || here.bottom > area.bottom) box.scrollTop += here.top - (top + area.bottom - here.height) / 2;
}

function head(data) {
  const part = document.createElement("thead");
  const row = document.createElement("tr");
  const corner = element("td", "corner");
  row.append(corner);
  data.columns.forEach(([name, title], column) => {
    const cell = element("th", data.chosen[1] === name ? "chosen" : "");
    if (data.own.includes(name)) cell.classList.add("own");
    cell.scope = "col";
    mark(cell, { at: `-1,${column}`, lang: "", name, hover: title });
    cell.append(heading(title));
    row.append(cell);
  });
  part.append(row);
  return part;
}

// "SST-2 (hardest) (not learned)": the name, and on a second line, smaller, what tells it apart.
function heading(title) {
  const [name, ...notes] = title.split(" (");
  const whole = element("span", "");
  const line = element("b", "");
  line.textContent = name;
  whole.append(line);
  if (notes.length) {
    const small = element("small", "");
    small.textContent = notes.map((note) => note.replace(/\)$/, "")).join(", ");
    whole.append(small);
  }
  return whole;
}

function body(data) {
  const part = document.createElement("tbody");
  data.rows.forEach(([code, name], row) => {
    const line = element("tr", code ? "" : "mean");
    const first = element("th", code && data.chosen[0] === code ? "chosen" : "");
    first.scope = "row";
    if (code) mark(first, { at: `${row},-1`, lang: code, name: "", hover: `${name} (${code})` });
    first.append(...words(code, name));
    line.append(first);
    data.columns.forEach(([id], column) => {
      const found = data.cells[row][column];
      const is_chosen = code && data.chosen[0] === code && data.chosen[1] === id;
      const cell = element("td", is_chosen ? "chosen" : "");
      const value = found || { text: "–", short: "–", hover: "" };
      mark(cell, { at: `${row},${column}`, lang: code, name: id, hover: value.hover });
      cell.setAttribute("aria-label", value.hover.split("\n").slice(0, 2).join(": "));
      if (data.own.includes(id)) cell.classList.add("own");
      if (is_chosen) cell.setAttribute("aria-selected", "true");
      if (value.background) {
        cell.style.background = value.background;
        cell.style.color = value.ink;
      } else cell.classList.add("none");
      const shown = (text) => (value.excluded ? `(${text})` : text);
      const full = element("span", "full");
      const short = element("span", "short");
      full.textContent = shown(value.text) + (value.marks || "");
      short.textContent = value.excluded ? `(${value.short})` : value.short;
      if ((value.marks || "").includes("*")) short.classList.add("real");
      cell.append(full, short);
      line.append(cell);
    });
    part.append(line);
  });
  return part;
}

function words(code, name) {
  const whole = element("span", "name");
  whole.textContent = name;
  if (!code) return [whole];
  const short = element("span", "code");
  short.textContent = code;
  return [whole, short];
}

function scale(bar) {
  const part = element("div", "scale");
  const [low, colors, high, title, data] = ["low", "bar", "high", "title", "data"].map((name) => element("span", name));
  low.textContent = bar.low;
  high.textContent = bar.high;
  title.textContent = bar.title;
  data.textContent = bar.data;
  colors.style.background = `linear-gradient(to right, ${bar.colors.join(", ")})`;
  part.append(low, colors, high, title, data);
  return part;
}

function fitColumns(root, table, n) {
  const width = root.clientWidth;
  root.classList.toggle("narrow", width < 480);
  const label = width < 480 ? 40 : 128;
  const each = Math.max(LEAST_PX, Math.floor((width - label - n - 4) / n));
  table.style.setProperty("--label", `${label}px`);
  table.style.setProperty("--each", `${Math.min(each, 96)}px`);
  root.classList.toggle("tight", each < TIGHT_PX);
  root.classList.toggle("tiny", each < 28);
  root.classList.toggle("flat", each >= 90);
}

function show(tip, cell) {
  tip.textContent = cell.dataset.hover;
  tip.style.display = "block";
  const [here, own] = [cell.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.min(Math.max(4, here.left + here.width / 2 - own.width / 2), innerWidth - own.width - 4);
  const below = here.bottom + own.height + 8 < innerHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? here.bottom + 6 : here.top - own.height - 6}px`;
}

function hide(tip) {
  tip.style.display = "none";
}

function mark(cell, facts) {
  Object.assign(cell.dataset, facts);
  cell.tabIndex = -1;
}

function element(tag, name) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  return made;
}

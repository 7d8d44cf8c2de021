"use strict";
// Sort a table by a column: numbers by value, with "k" and "M", all else as text; empty cells come last.
const units = { k: 1e3, M: 1e6, G: 1e9 };
const number = (text) => {
  const found = text.replace(/,/g, "").match(/^([-+]?\d*\.?\d+(?:e[-+]?\d+)?)([kMG]?)(?![\w.])/);
  return found ? Number(found[1]) * (units[found[2]] || 1) : NaN;
};
const compare = (one, other) => {
  const [a, b] = [number(one), number(other)];
  if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
  return one.localeCompare(other, "en", { numeric: true });
};
const blank = (text) => text === "" || text === "-";
function sort(head) {
  const body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const cell = (row) => row.cells[head.cellIndex].textContent.trim();
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [cell(one), cell(other)];
    if (blank(a) || blank(b)) return blank(a) - blank(b);
    return up ? compare(a, b) : compare(b, a);
  });
  body.append(...rows);
}
for (const head of document.querySelectorAll(".scroll thead th[scope=col]")) {
  if (head.closest(".matrix") || head.closest("table").tBodies[0].rows.length < 2) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sort(head));
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));

"use strict";
// Sorting the tables of figures: all of them by the same column, so that a change of the
// workload keeps the order that was asked for.

function cellValue(row, column) {
  if (column === 0) return row.dataset.algorithm;
  const cell = row.cells[column];
  return !cell || !cell.dataset.value ? null : Number(cell.dataset.value);
}

// Failures come last whatever the direction, and before them what was not measured.
function compareRows(one, other, column, sign) {
  const failed = (row) => ("failed" in row.dataset ? 1 : 0);
  if (failed(one) !== failed(other)) return failed(one) - failed(other);
  const a = cellValue(one, column), b = cellValue(other, column);
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "string") return sign * a.localeCompare(b);
  return sign * (a - b);
}

function sortTables(column, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  for (const table of document.querySelectorAll("table.figures")) {
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compareRows(a, b, column, sign)));
    table.tHead.rows[1].querySelectorAll("th").forEach((head, n) => {
      head.setAttribute("aria-sort", n === column ? direction : "none");
    });
  }
}

function makeSortable(table) {
  table.tHead.rows[1].querySelectorAll("th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const again = head.getAttribute("aria-sort") === "ascending";
      sortTables(column, again ? "descending" : "ascending");
    });
  });
}

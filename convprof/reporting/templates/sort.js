"use strict";
// The heads of tables become buttons here and not in the page: without a script a table promises no sorting.
(() => {
  const words = new Intl.Collator("en", { numeric: true });

  // A number where the cell knows one, else its text; null for what is not known.
  const key = (row, at) => {
    const cell = row.cells[at];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return text === "" || text === "\u2013" ? null : text;
  };

  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : words.compare(a, b);
  };

  // What is not known stands last, whichever way the rest is turned; equals keep their order.
  const sorted = (rows, at, direction) => {
    const sign = direction === "descending" ? -1 : 1;
    const known = rows.filter((row) => key(row, at) !== null);
    known.sort((a, b) => sign * compare(key(a, at), key(b, at)));
    return [...known, ...rows.filter((row) => key(row, at) === null)];
  };

  const prepare = (table) => {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];

    // The largest number or the first name comes first; then the other way round; then as it was.
    const next = (head) => {
      const turns = head.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
      return [...turns, null][turns.indexOf(head.getAttribute("aria-sort")) + 1];
    };

    const press = (head, at) => {
      const direction = next(head);
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (direction !== null) head.setAttribute("aria-sort", direction);
      body.append(...(direction === null ? original : sorted(original, at, direction)));
    };

    heads.forEach((head, at) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => press(head, at));
      head.append(button);
    });
  };

  document.querySelectorAll("table.sortable").forEach(prepare);
})();

// A filter over the tables of fields, in the address: ?fields=version&category=the-system-it-runs-on
"use strict";

const tables = [...document.querySelectorAll("section > table.telemetry-table")];
const sections = tables.map((table) => table.parentElement);
const titleOf = (section) => section.querySelector(":scope > h3").firstChild.textContent;

const filter = document.createElement("form");
filter.className = "field-filter";
filter.setAttribute("role", "search");
filter.setAttribute("aria-label", "Filter the fields");
filter.innerHTML = `
  <label>Filter fields <input type="text" name="fields" autocomplete="off" spellcheck="false"></label>
  <label>Category <select name="category"><option value="">All</option></select></label>
  <button type="reset">Clear</button>
  <output aria-live="polite"></output>`;
const { fields, category } = filter.elements;
const count = filter.querySelector("output");
sections.forEach((section) => category.add(new Option(titleOf(section), section.id)));

const apply = () => {
  const words = fields.value.toLowerCase().split(/\s+/);
  let shown = 0;
  let all = 0;
  sections.forEach((section, index) => {
    let kept = 0;
    for (const row of tables[index].tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        (category.value && category.value !== section.id) ||
        !words.every((word) => text.includes(word));
      kept += !row.hidden;
      all += 1;
    }
    section.hidden = kept === 0;
    shown += kept;
  });
  count.value = `${shown} of ${all} fields`;
};

const read = () => {
  const query = new URLSearchParams(location.search);
  fields.value = query.get("fields") ?? "";
  category.value = query.get("category") ?? "";
  if (category.selectedIndex < 0) category.value = "";
  apply();
};

// A choice is a step to go back to; a letter is not.
const write = (step) => {
  const address = new URL(location.href);
  for (const { name, value } of [fields, category]) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  history[step](null, "", address);
  apply();
};

const clear = () => {
  fields.value = "";
  category.value = "";
  write("pushState");
};

// A link to a field shows it, whatever was filtered.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.closest("[hidden]")) {
    clear();
    target.scrollIntoView();
  }
};

if (tables.length) {
  sections[0].before(filter);
  fields.addEventListener("input", () => write("replaceState"));
  category.addEventListener("change", () => write("pushState"));
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
    fields.focus();
  });
  filter.addEventListener("keydown", (event) => event.key === "Escape" && clear());
  window.addEventListener("popstate", read);
  window.addEventListener("hashchange", reveal);
  read();
  reveal();
}

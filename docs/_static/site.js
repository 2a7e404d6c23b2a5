// Every page works without this file.
"use strict";

// Sphinx's search would leave the reader's words behind in the browser.
Storage.prototype.setItem = () => {};

// The theme opens the drawer; this tells those who do not see it, and lets Escape close it.
const drawer = document.querySelector(".wy-nav-side");
const button = document.querySelector(".wy-nav-top button");
const isOpen = () => drawer.classList.contains("shift");
new MutationObserver(() => {
  button.setAttribute("aria-expanded", String(isOpen()));
  if (isOpen()) drawer.querySelector("a").focus();
}).observe(drawer, { attributeFilter: ["class"] });
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !isOpen()) return;
  button.click();
  button.focus();
});

// A filter over the tables of fields, in the address: ?fields=version&category=how-it-was-invoked
const tables = [...document.querySelectorAll(".telemetry-table")];
const sections = tables.map((table) => table.closest("section"));
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

const apply = () => {
  const words = fields.value.toLowerCase().split(/\s+/);
  const rows = tables.map((table) => [...table.tBodies[0].rows]);
  sections.forEach((section, index) => {
    for (const row of rows[index]) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        ![section.id, ""].includes(category.value) || !words.every((word) => text.includes(word));
    }
    section.hidden = rows[index].every((row) => row.hidden);
    for (const folded of section.querySelectorAll("details")) {
      folded.open = Boolean(fields.value || category.value);
    }
  });
  const shown = rows.flat().filter((row) => !row.hidden).length;
  filter.querySelector("output").value = `${shown} of ${rows.flat().length} rows`;
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
  fields.value = category.value = "";
  write("pushState");
  fields.focus();
};

// Statements by their verdict.
const statements = [...document.querySelectorAll("section.claim")];
const verdictOf = (section) => section.querySelector(".mark .visually-hidden").textContent.trim();
const choice = document.createElement("div");
choice.className = "field-filter";
choice.innerHTML = `
  <label>Verdict <select><option value="">All</option></select></label>
  <output aria-live="polite"></output>`;
const verdict = choice.querySelector("select");

const choose = () => {
  for (const section of statements) {
    section.hidden = ![verdictOf(section), ""].includes(verdict.value);
  }
  const shown = statements.filter((section) => !section.hidden).length;
  choice.querySelector("output").value = `${shown} of ${statements.length} statements`;
};

// A link shows what it leads to, whatever was filtered or folded.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.closest("[hidden], details:not([open])")) return;
  if (tables.length) clear();
  verdict.value = "";
  choose();
  const folded = target.closest("details");
  if (folded) folded.open = true;
  target.scrollIntoView();
};

if (tables.length) {
  for (const section of sections) {
    category.add(new Option(section.querySelector("h3").firstChild.textContent, section.id));
  }
  sections[0].before(filter);
  fields.addEventListener("input", () => write("replaceState"));
  category.addEventListener("change", () => write("pushState"));
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
  });
  filter.addEventListener("keydown", ({ key }) => key === "Escape" && clear());
  window.addEventListener("popstate", read);
  read();
}
if (statements.length) {
  for (const name of new Set(statements.map(verdictOf))) verdict.add(new Option(name));
  verdict.addEventListener("change", choose);
  statements[0].before(choice);
  choose();
}
window.addEventListener("hashchange", reveal);
reveal();

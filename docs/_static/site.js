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

// A filter over fields, or over statements. It stays in the address: ?words=version&group=holds
const rows = [...document.querySelectorAll(".telemetry-table tbody tr")];
const statements = [...document.querySelectorAll("section.claim")];
const [items, kind, groups] = rows.length
  ? [rows, "fields", "Category"]
  : [statements, "statements", "Verdict"];
const groupOf = (item) =>
  rows.length
    ? item.closest("section").querySelector("h3").firstChild.textContent
    : item.querySelector(".mark .visually-hidden").textContent.trim();
const filter = document.createElement("form");
filter.className = "filter";
filter.setAttribute("role", "search");
filter.setAttribute("aria-label", `Filter the ${kind}`);
filter.innerHTML = `
  <label>Filter ${kind} <input type="text" name="words" autocomplete="off" spellcheck="false"></label>
  <label>${groups} <select name="group"><option value="">All</option></select></label>
  <button type="reset">Clear</button>
  <output aria-live="polite"></output>`;
const { words, group } = filter.elements;

const apply = () => {
  const sought = words.value.toLowerCase().split(/\s+/);
  for (const item of items) {
    const text = item.textContent.toLowerCase();
    item.hidden =
      ![groupOf(item), ""].includes(group.value) || !sought.every((word) => text.includes(word));
  }
  // A heading goes with its last row, and what is folded opens.
  for (const section of new Set(rows.map((row) => row.closest("section")))) {
    section.hidden = !section.querySelector("tbody tr:not([hidden])");
    for (const folded of section.querySelectorAll("details")) {
      folded.open = Boolean(words.value || group.value);
    }
  }
  const shown = items.filter((item) => !item.hidden).length;
  // A row may hold several fields.
  filter.querySelector("output").value =
    `${shown} of ${items.length} ${rows.length ? "rows" : kind}`;
};

const read = () => {
  const query = new URLSearchParams(location.search);
  words.value = query.get("words") ?? "";
  group.value = query.get("group") ?? "";
  if (group.selectedIndex < 0) group.value = "";
  apply();
};

// A choice is a step to go back to; a letter is not.
const write = (step) => {
  const address = new URL(location.href);
  for (const { name, value } of [words, group]) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  history[step](null, "", address);
  apply();
};

const clear = () => {
  words.value = group.value = "";
  write("pushState");
};

// A link shows what it leads to, whatever was filtered or folded.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.closest("[hidden], details:not([open])")) return;
  if (words.value || group.value) clear();
  const folded = target.closest("details");
  if (folded) folded.open = true;
  target.scrollIntoView();
};

if (items.length) {
  for (const name of new Set(items.map(groupOf))) group.add(new Option(name));
  (rows[0]?.closest("section") ?? statements[0]).before(filter);
  words.addEventListener("input", () => write("replaceState"));
  group.addEventListener("change", () => write("pushState"));
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
    words.focus();
  });
  filter.addEventListener("keydown", ({ key }) => key === "Escape" && clear());
  window.addEventListener("popstate", read);
  read();
}
window.addEventListener("hashchange", reveal);
reveal();

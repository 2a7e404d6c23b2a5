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
const items = [...document.querySelectorAll(".telemetry-table tbody tr, section.claim")];
// A row may hold several fields.
const [kind, counted, groups, named] = items[0]?.matches("tr")
  ? ["fields", "rows", "Category", "h3"]
  : ["statements", "statements", "Verdict", ".mark .visually-hidden"];
const groupOf = (item) =>
  item.closest("section").querySelector(named).firstChild.textContent.trim();
const template = document.createElement("template");
template.innerHTML = `<form class="filter" role="search" aria-label="Filter the ${kind}">
  <label>Filter ${kind} <input type="text" name="words" autocomplete="off" spellcheck="false"></label>
  <label>${groups} <select name="group"><option value="">All</option></select></label>
  <button type="reset">Clear</button>
  <output aria-live="polite"></output></form>`;
const filter = template.content.firstChild;
const { words, group } = filter.elements;

const apply = () => {
  const sought = words.value.toLowerCase().split(/\s+/);
  const shown = items.filter((item) => {
    const text = item.textContent.toLowerCase();
    return [groupOf(item), ""].includes(group.value) && sought.every((word) => text.includes(word));
  });
  // A heading goes with its last row, and what is folded opens.
  for (const item of items) {
    item.hidden = !shown.includes(item);
    const [section, folded] = [item.closest("section"), item.closest("details")];
    section.hidden = !shown.some((other) => section.contains(other));
    if (folded) folded.open = Boolean(words.value || group.value);
  }
  filter.querySelector("output").value = `${shown.length} of ${items.length} ${counted}`;
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
  address.search = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
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
  items[0].closest("section").before(filter);
  words.addEventListener("input", () => write("replaceState"));
  group.addEventListener("change", () => write("pushState"));
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("reset", () => {
    clear();
    words.focus();
  });
  filter.addEventListener("keydown", ({ key }) => key === "Escape" && clear());
  window.addEventListener("popstate", read);
  read();
}
window.addEventListener("hashchange", reveal);
reveal();

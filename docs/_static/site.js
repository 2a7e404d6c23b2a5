// Every page works without this file.
"use strict";

// Sphinx's search would leave the reader's words behind in the browser.
Storage.prototype.setItem = () => {};

// A link to a section of the page at hand would leave the phone's menu open.
const menu = document.getElementById("menu");
menu.addEventListener("click", ({ target }) => target.closest("a") && menu.hidePopover());

// A filter over fields, or over statements. It stays in the address: ?words=version&group=holds
const items = [...document.querySelectorAll(".telemetry-table tbody tr, section.claim")];
const sectionOf = (item) => item.closest("section");
if (items.length) {
  // A row may hold several fields.
  const [kind, counted, groups, named] = items[0].matches("tr")
    ? ["fields", "rows", "Category", "h3"]
    : ["statements", "statements", "Verdict", ".mark .visuallyhidden"];
  const groupOf = (item) => sectionOf(item).querySelector(named).firstChild.textContent.trim();
  sectionOf(items[0]).insertAdjacentHTML("beforebegin", `
    <form class="filter" role="search" aria-label="Filter the ${kind}" method="dialog">
      <label>Filter ${kind}<br><input type="text" name="words" autocomplete="off"></label>
      <label>${groups}<br><select name="group"><option value="">All</option></select></label>
      <button type="reset">Clear</button>
      <output aria-live="polite"></output>
    </form>`);
  const filter = document.querySelector(".filter");
  const { words, group } = filter.elements;
  for (const name of new Set(items.map(groupOf))) group.add(new Option(name));

  const show = () => {
    const sought = new URLSearchParams(location.search);
    words.value = sought.get("words") ?? "";
    group.value = sought.get("group") ?? "";
    const shown = items.filter((item) => {
      const text = item.textContent.toLowerCase();
      return [groupOf(item), ""].includes(group.value)
        && words.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
    });
    // A heading goes with its last row, and what is folded opens.
    for (const item of items) {
      item.hidden = !shown.includes(item);
      sectionOf(item).hidden = !shown.some((other) => sectionOf(item).contains(other));
      if (words.value || group.value) item.closest("details")?.setAttribute("open", "");
    }
    filter.querySelector("output").value = `${shown.length} of ${items.length} ${counted}`;
  };

  // A choice is a step to go back to; a letter is not.
  const seek = (step, chosen = [...new FormData(filter)].filter(([, value]) => value)) => {
    const address = new URL(location);
    address.search = new URLSearchParams(chosen);
    history[step](null, "", address);
    show();
  };
  words.addEventListener("input", () => seek("replaceState"));
  group.addEventListener("change", () => seek("pushState"));
  filter.addEventListener("reset", () => {
    seek("pushState", []);
    words.focus();
  });
  filter.addEventListener("keydown", ({ key }) => key === "Escape" && filter.reset());
  addEventListener("popstate", show);
  // A link shows what it leads to, whatever was filtered.
  const reveal = () => {
    const target = document.querySelector(":target");
    if (!target?.closest("[hidden]")) return;
    seek("replaceState", []);
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  show();
  reveal();
}

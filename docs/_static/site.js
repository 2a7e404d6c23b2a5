// Every page works without this file.
"use strict";

// Sphinx's search would store the reader's words in the browser.
Storage.prototype.setItem = () => {};

// A link to a section of the current page would leave the phone's menu open.
const menu = document.getElementById("menu");
menu.addEventListener("click", ({ target }) => target.closest("a") && menu.hidePopover());

// A filter for fields or statements, kept in the address: ?words=version&group=holds
const items = [...document.querySelectorAll(".telemetry-table tbody tr, section.claim")];
const sectionOf = (item) => item.closest("section");
if (items.length) {
  // The filter counts rows, since a row may hold several fields.
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
    // Hide a section that has no items left; while there is a filter, unfold what is folded.
    for (const item of items) {
      item.hidden = !shown.includes(item);
      sectionOf(item).hidden = !shown.some((other) => sectionOf(item).contains(other));
      if (words.value || group.value) item.closest("details")?.setAttribute("open", "");
    }
    filter.querySelector("output").value = `${shown.length} of ${items.length} ${counted}`;
  };

  // A choice adds a step to the browser's history; a typed letter does not.
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
  // A link shows its target even if the filter hides it.
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

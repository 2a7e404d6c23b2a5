// Every page works without this file; it tells the keyboard and screen readers what the theme's
// script only shows.
"use strict";

// Sphinx's search would leave the reader's words behind in the browser.
Storage.prototype.setItem = () => {};

const menu = document.querySelector(".wy-nav-side");
const menuButton = document.querySelector(".menu-button");
const content = document.querySelector(".wy-nav-content");
const phone = window.matchMedia("(max-width: 768px)");

const isOpen = () => phone.matches && menu.classList.contains("shift");

menu.id = "site-menu";
menuButton.setAttribute("aria-controls", menu.id);

// The theme scrolls to the current page's link, and with that moves the place where the first Tab
// begins: past the skip link.
const side = menu.querySelector(".wy-side-scroll");
menu.querySelectorAll("a").forEach((link) => {
  link.scrollIntoView = () => side.scrollTo(0, link.offsetTop);
});

// The theme opens and closes the menu by a class, from several places: follow the class.
new MutationObserver(() => {
  const wasOpen = menuButton.getAttribute("aria-expanded") === "true";
  if (isOpen() === wasOpen) return;
  menuButton.setAttribute("aria-expanded", String(isOpen()));
  content.inert = isOpen();
  if (isOpen()) menu.querySelector("a[href]").focus();
}).observe(menu, { attributeFilter: ["class"] });

const close = () => {
  if (!isOpen()) return;
  menuButton.click();
  menuButton.focus();
};
document.addEventListener("keydown", (event) => event.key === "Escape" && close());
// A phone that is turned may become too wide for a closed menu, and must not stay inert.
phone.addEventListener("change", () => {
  document.querySelectorAll("[data-toggle='wy-nav-shift']").forEach((part) => {
    part.classList.remove("shift");
  });
  menuButton.setAttribute("aria-expanded", "false");
  content.inert = false;
});

// The theme puts each expander inside a link, where it has neither name nor state, and marks list
// items as expanded, which they cannot be. It does so some time after the page is ready.
const mend = () => {
  menu.querySelectorAll("a > button.toctree-expand").forEach((button) => {
    const link = button.parentElement;
    button.removeAttribute("title");
    button.setAttribute("aria-label", `Contents of ${link.textContent.trim()}`);
    link.before(button);
  });
  menu.querySelectorAll("[aria-expanded]:not(button)").forEach((element) => {
    element.removeAttribute("aria-expanded");
  });
  menu.querySelectorAll("button.toctree-expand").forEach((button) => {
    const open = String(button.parentElement.classList.contains("current"));
    if (button.getAttribute("aria-expanded") !== open) button.setAttribute("aria-expanded", open);
  });
};
new MutationObserver(mend).observe(menu, {
  attributeFilter: ["class", "aria-expanded"],
  childList: true,
  subtree: true,
});

// On a narrow page the table's head is out of sight, and a value by itself says little.
document.querySelectorAll(".telemetry-table").forEach((table) => {
  const heading = table.querySelector("thead th:nth-child(2)").textContent;
  table.querySelectorAll("td:nth-child(2) > p").forEach((value) => {
    value.dataset.heading = heading;
  });
});

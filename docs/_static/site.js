// Every page works without this file.
"use strict";

// Sphinx's search would leave the reader's words behind in the browser.
Storage.prototype.setItem = () => {};

// On a phone, the menu opens over the page and takes the focus; Escape gives it back.
const menu = document.getElementById("site-menu");
const menuButton = document.querySelector(".menu-button");
const openMenu = (open) => {
  menu.classList.toggle("shift", open);
  menuButton.setAttribute("aria-expanded", String(open));
  document.querySelector(".wy-nav-content").inert = open;
  if (open) menu.querySelector("a").focus();
};
const isOpen = () => menuButton.getAttribute("aria-expanded") === "true";
menuButton.addEventListener("click", () => openMenu(!isOpen()));
menu.addEventListener("click", (event) => event.target.closest("a") && openMenu(false));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !isOpen()) return;
  openMenu(false);
  menuButton.focus();
});
// A phone that is turned may become too wide for a menu that opens.
window.matchMedia("(max-width: 768px)").addEventListener("change", () => openMenu(false));

// On a narrow page the table's head is out of sight, and a value by itself says little.
document.querySelectorAll(".telemetry-table").forEach((table) => {
  const heading = table.querySelector("thead th:nth-child(2)").textContent;
  table.querySelectorAll("td:nth-child(2) > p").forEach((value) => {
    value.dataset.heading = heading;
  });
});

// What pages do beyond reading: keys, menus that close, the theme without a reload. All of it works less well, and none
// of it not at all, without this file.

const root = document.documentElement;
// Where Dashtray is: at a host of its own, or under a path.
const home = new URL("../", import.meta.url);

// The form of the theme works without a script; with one the page does not load again.
for (const form of document.querySelectorAll("[data-theme-form]")) {
  form.addEventListener("submit", (event) => {
    const theme = event.submitter?.value;
    if (!theme) return;
    event.preventDefault();
    root.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${theme}; Max-Age=31536000; Path=${home.pathname.replace(/(.)\/$/, "$1")}; SameSite=Lax${secure}`;
    for (const button of form.elements) {
      if (button.name === "theme") button.setAttribute("aria-pressed", String(button.value === theme));
    }
    document.dispatchEvent(new CustomEvent("dashtray:theme"));
  });
}

// One menu at a time; a click elsewhere or Escape closes it.
const menus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Keys. Off inside fields, and altogether where somebody says so: single keys get into the way of speech input.
const overlay = document.getElementById("keys");
const isOn = () => localStorage.getItem("keys") !== "off";
const places = { o: "", i: "integrations", s: "settings" };
let waitsForPlace = false;

const types = (element) => element instanceof Element && element.closest("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || types(event.target) || !isOn()) return;
  if (document.querySelector("dialog[open]")) return;
  if (waitsForPlace) {
    waitsForPlace = false;
    if (event.key in places) location.assign(new URL(places[event.key], home));
    return;
  }
  if (event.key === "?" && overlay) overlay.showModal();
  else if (event.key === "g") waitsForPlace = true;
  else if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else {
    // Pages bring keys of their own: <a data-key="d" …> and <button data-key="r" …>.
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (target) {
      event.preventDefault();
      target.click();
    }
  }
});

if (overlay) {
  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => overlay.showModal());
  }
  const on = document.getElementById("keys-on");
  on.checked = isOn();
  on.addEventListener("change", () => localStorage.setItem("keys", on.checked ? "on" : "off"));
}

// What has to be typed elsewhere to the letter is copied.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

// An error of a fragment is shown where the fragment would have stood.
document.addEventListener("htmx:beforeSwap", (event) => {
  const kind = event.detail.xhr.getResponseHeader("content-type") ?? "";
  if (event.detail.xhr.status >= 400 && kind.startsWith("text/html")) event.detail.shouldSwap = true;
});

// The tab of this page is seen, also where all of them have no room.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

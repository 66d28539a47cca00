// The portal's own script: conveniences only. Every page works without it.
(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("js");

  // Copy buttons: <button data-copy="text"> or <button data-copy-from="element id">.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
    const text = source ? source.textContent : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text.trim());
      button.dataset.copied = "";
      announce("Copied");
      setTimeout(() => delete button.dataset.copied, 1600);
    } catch {
      if (source) getSelection().selectAllChildren(source);
      announce("Press Control C to copy the selected text");
    }
  });

  function announce(text) {
    const region = document.getElementById("announcements");
    if (!region) return;
    region.textContent = "";
    setTimeout(() => { region.textContent = text; }, 30);
  }

  // Toasts leave when dismissed, and by themselves unless they report a failure.
  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest(".toast")?.remove();
  });
  const toasts = document.getElementById("toasts");
  function arm(toast) {
    if (toast.dataset.stays !== undefined || toast.dataset.armed !== undefined) return;
    toast.dataset.armed = "";
    let timer = setTimeout(() => toast.remove(), 7000);
    toast.addEventListener("mouseenter", () => clearTimeout(timer));
    toast.addEventListener("mouseleave", () => { timer = setTimeout(() => toast.remove(), 3000); });
  }
  if (toasts) {
    toasts.querySelectorAll(".toast").forEach(arm);
    new MutationObserver(() => toasts.querySelectorAll(".toast").forEach(arm)).observe(toasts, { childList: true });
  }

  // Menus close on Escape and on a click elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
  });

  // Relative times stay true while a page is open.
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  function refreshTimes() {
    for (const element of document.querySelectorAll("time[data-relative]")) {
      const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
      const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
      const text = unit === "second" && seconds <= 0 ? "just now" : words.format(Math.trunc(seconds / size), unit);
      if (element.textContent !== text) element.textContent = text;
    }
  }
  setInterval(refreshTimes, 20000);

  // A log follows its end until the reader scrolls up.
  const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const following = new Map();
  function followLogs() {
    for (const log of document.querySelectorAll("[data-follow]")) {
      if (following.get(log.id) !== false) log.scrollTop = log.scrollHeight;
    }
  }
  document.addEventListener("scroll", (event) => {
    if (event.target.dataset?.follow !== undefined) following.set(event.target.id, atEnd(event.target));
  }, true);
  followLogs();
  document.addEventListener("htmx:afterSettle", followLogs);
  document.addEventListener("htmx:sseMessage", followLogs);

  // Dropping a file on the upload box is the same as choosing it.
  for (const drop of document.querySelectorAll("[data-drop]")) {
    const input = drop.querySelector("input[type=file]");
    const stop = (event) => event.preventDefault();
    drop.addEventListener("dragover", (event) => { stop(event); drop.dataset.over = ""; });
    drop.addEventListener("dragleave", () => delete drop.dataset.over);
    drop.addEventListener("drop", (event) => {
      stop(event);
      delete drop.dataset.over;
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }

  // A form is sent once; coming back to the page makes it usable again.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    for (const button of event.target.querySelectorAll("button[type=submit]")) button.setAttribute("aria-disabled", "true");
    if (event.target.dataset.sent !== undefined) { event.preventDefault(); return; }
    event.target.dataset.sent = "";
  });
  function rearm() {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button[type=submit]")) button.removeAttribute("aria-disabled");
    }
  }
  addEventListener("pageshow", rearm);
  document.addEventListener("htmx:afterRequest", rearm);
})();

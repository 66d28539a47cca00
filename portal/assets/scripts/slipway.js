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

  // A form whose fields depend on each other is shown again by the server as it is filled in; what is being typed
  // meanwhile, secrets and the place of the cursor stay.
  const running = new WeakMap();
  const waiting = new WeakMap();
  const texts = (form) => new Map([...form.elements].filter((each) => each.id).map((each) => [each.id, each.type === "checkbox" || each.type === "radio" ? each.checked : each.value]));
  async function showAgain(form, action) {
    running.get(form)?.abort();
    const request = new AbortController();
    running.set(form, request);
    const fields = new FormData(form);
    fields.set("do", action);
    const before = texts(form);
    let page;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(fields), headers: { Accept: "text/html" }, signal: request.signal });
      if (!answer.ok) return announce("The form could not be brought up to date");
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return;
    }
    const focus = document.activeElement;
    const at = focus?.id;
    const selection = focus && "selectionStart" in focus && focus.type !== "number" && focus.type !== "email" ? [focus.selectionStart, focus.selectionEnd] : null;
    const now = texts(form);
    const secrets = [...form.querySelectorAll("input[type=password]")].filter((each) => each.value).map((each) => [each.id, each.value]);
    const moves = /^(remove|up|down):/.test(action);
    let told = "";
    for (const part of page.querySelectorAll("[data-live-part]")) {
      told ||= part.dataset.news ?? "";
      document.getElementById(part.id)?.replaceWith(part);
    }
    for (const [id, value] of moves ? [] : now) {
      const field = document.getElementById(id);
      if (!field || !form.contains(field) || before.get(id) === value) continue;
      if (typeof value === "boolean") field.checked = value; else field.value = value;
    }
    for (const [id, value] of secrets) {
      const field = document.getElementById(id);
      if (field?.type === "password") field.value = value;
    }
    const list = [...form.querySelectorAll("[data-rows]")].find((each) => action === `add:${each.dataset.rows}`);
    const added = list?.querySelector(":scope > ul > li:last-child")?.querySelector("input:not([type=hidden]), select, textarea");
    const same = at ? document.getElementById(at) : null;
    const place = [...form.querySelectorAll("[data-rows]")].find((each) => moves && action.includes(`:${each.dataset.rows}:`));
    const next = added ?? same ?? place?.querySelector(":scope > p > button");
    next?.focus({ preventScroll: !added });
    if (next === same && selection && next?.setSelectionRange) next.setSelectionRange(...selection);
    if (told) announce(told);
  }
  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-live-part]") && event.target.form;
    if (!form) return;
    // A moment later, so that nothing moves under a click that was begun already.
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(() => showAgain(form, "refresh"), 200));
  });
  document.addEventListener("submit", (event) => {
    clearTimeout(waiting.get(event.target));
    if (event.submitter?.name !== "do" || !event.submitter.closest("[data-live-part]")) {
      running.get(event.target)?.abort();
      return;
    }
    event.preventDefault();
    showAgain(event.target, event.submitter.value);
  });

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

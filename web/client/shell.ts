// The frame around every page: the line's state, the menu of the person, the list of keys.
import { island } from "./islands";
import { hotkey, showKeys } from "./keys";
import { linkState, listen, type Link } from "./live";
import { t } from "./texts";

island("link", (root, signal) => {
  const say = (state: Link): void => {
    root.dataset["state"] = state;
    if (root.lastElementChild) root.lastElementChild.textContent = t(`live.${state}`);
  };
  say(linkState());
  listen<Link>("link", say, signal);
});

island("shell", (root, signal) => {
  const keys = document.getElementById("keys") as HTMLDialogElement | null;
  const show = (): void => { if (keys) showKeys(keys); };
  root.querySelector("#help")?.addEventListener("click", show, { signal });
  hotkey("?", "keys.help", show, signal);
  hotkey("Escape", "keys.close", () => undefined, signal);
  root.querySelector("#theme")?.addEventListener("change", (event) => (event.target as HTMLSelectElement).form?.submit(), { signal });
  // A menu closes when one leaves it.
  for (const menu of root.querySelectorAll("details")) {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }, { signal });
  }
  document.addEventListener("click", (event) => {
    for (const menu of root.querySelectorAll("details[open]")) {
      if (event.target instanceof Node && !menu.contains(event.target)) menu.removeAttribute("open");
    }
  }, { signal });
});

// Forms that filter act at once; those with data-ask want a word before they do what cannot be undone.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field instanceof HTMLInputElement && field.type === "search") return;
  if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) {
    if (field.form?.hasAttribute("data-filter")) field.form.requestSubmit();
  }
});
document.addEventListener("submit", (event) => {
  const submitter = event.submitter;
  const words = submitter?.dataset["ask"] ?? (event.target as HTMLFormElement).dataset["ask"];
  if (words && !window.confirm(words)) event.preventDefault();
}, { capture: true });

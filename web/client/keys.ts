// Keys: every action has one, shown beside it; "?" lists those of the page. No key acts while somebody writes.
import { t } from "./texts";

interface Key {
  // As KeyboardEvent.key says it ("Enter", "h", "?"), with "Ctrl+" before it where it needs that.
  key: string;
  text: string;
  act: (event: KeyboardEvent) => void;
  // Works in a field too.
  always: boolean;
  // False: not listed.
  listed: boolean;
  // Goes before the keys of the page while this holds: a call that waits does not lose its key to a list.
  first: () => boolean;
}

const keys = new Set<Key>();

export function hotkey(
  key: string,
  text: string,
  act: (event: KeyboardEvent) => void,
  signal: AbortSignal,
  { always = false, listed = true, first = (): boolean => false } = {},
): void {
  const made: Key = { key, text, act, always, listed, first };
  keys.add(made);
  signal.addEventListener("abort", () => keys.delete(made));
}

function pressed(event: KeyboardEvent): string {
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + name;
}

export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const writing = target.closest("input, select, textarea, [contenteditable=true]");
    const busy = document.querySelector("dialog[open]");
    const name = pressed(event);
    // The call's keys while there is a call, then the newest island's: a panel over a page has the keyboard.
    const newest = [...keys].filter((key) => key.key === name).reverse();
    const before = newest.filter((key) => key.first());
    for (const key of [...before, ...newest.filter((one) => !before.includes(one))]) {
      if ((writing || busy) && !key.always) continue;
      // Enter on a button or link is that button's.
      if (name === "Enter" && !key.always && target.closest("button, a, summary, [role=button]")) continue;
      key.act(event);
      if (event.defaultPrevented) return;
    }
    if (writing && event.key === "Escape" && target instanceof HTMLElement) target.blur();
  });
}

// Fills the list of keys and shows it.
export function showKeys(box: HTMLDialogElement): void {
  const list = box.querySelector("dl");
  if (!list || box.open) return;
  list.replaceChildren();
  const shown = new Set<string>();
  for (const key of keys) {
    if (!key.listed || shown.has(key.text)) continue;
    shown.add(key.text);
    const name = document.createElement("dt");
    for (const other of keys) {
      if (other.text !== key.text || !other.listed) continue;
      const cap = document.createElement("kbd");
      cap.textContent = other.key.length === 1 ? other.key.toUpperCase() : other.key;
      name.append(cap, " ");
    }
    const words = document.createElement("dd");
    words.textContent = t(key.text);
    list.append(name, words);
  }
  box.showModal();
}

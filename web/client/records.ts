// Records: the list follows what is typed into its box, and the person's page has keys.
import { visit } from "./aftercall/visit";
import { ask, Refusal } from "./ask";
import { island } from "./islands";
import { hotkey } from "./keys";
import { maybe, t } from "./texts";

interface Reason { why: string; text: string }
interface Found {
  customer_id: string;
  customer_number: string;
  name: string;
  honorific: string;
  key_account: boolean;
  customer_class: string | null;
  phone: string;
  vehicles: { plate: string; model: string }[];
  why: Reason[];
  closed: boolean;
}

// Letters come faster than answers: so long nobody is asked.
const PAUSE = 120;
const WITH_TEXT = new Set(["phone", "phone_tail", "plate", "vin"]);

function span(words: string, kind: string): HTMLSpanElement {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = words;
  return made;
}

function badge(words: string, kind = ""): HTMLSpanElement {
  const made = span(words, "badge");
  if (kind) made.dataset["kind"] = kind;
  return made;
}

function cell(row: HTMLTableRowElement, kind = ""): HTMLTableCellElement {
  const made = row.insertCell();
  made.className = kind;
  return made;
}

function draw(one: Found): HTMLTableRowElement {
  const row = document.createElement("tr");
  row.dataset["href"] = `/customers/${one.customer_id}`;
  const name = cell(row);
  const link = document.createElement("a");
  link.href = `/customers/${one.customer_id}`;
  link.textContent = one.name;
  name.append(link);
  if (one.honorific !== "none") name.append(" ", span(t(`records.honorific.${one.honorific}`), "quiet"));
  if (one.key_account) name.append(" ", badge("★", "accent"));
  if (one.customer_class) name.append(" ", badge(one.customer_class));
  if (one.closed) name.append(" ", badge(t("records.secrecy.restricted"), "warn"));
  name.append(" ", span(one.customer_number, "quiet mono"));
  cell(row, "phone").textContent = one.phone;
  const cars = cell(row);
  one.vehicles.slice(0, 3).forEach((car, place) => {
    if (place) cars.append(", ");
    cars.append(span(car.plate, "mono"), " ", span(car.model, "quiet"));
  });
  const why = cell(row, "quiet");
  one.why.forEach((reason, place) => {
    if (place) why.append(" · ");
    why.append(t(`records.why.${reason.why}`));
    if (WITH_TEXT.has(reason.why)) why.append(" ", span(reason.text, "mono"));
  });
  return row;
}

island("record-search", (root, signal) => {
  const box = root.querySelector<HTMLInputElement>("#find")!;
  const rows = root.querySelector<HTMLTableSectionElement>("#found")!;
  const none = root.querySelector<HTMLElement>("#found-none")!;
  const count = root.querySelector<HTMLElement>("#found-count")!;
  let waiting = 0;
  let asked: AbortController | undefined;

  async function find(): Promise<void> {
    const typed = box.value.trim();
    asked?.abort();
    if (!typed) return;
    const mine = (asked = new AbortController());
    try {
      const page = await ask<{ items: Found[]; more: boolean }>(`/api/v1/search?limit=50&q=${encodeURIComponent(typed)}`, { signal: mine.signal });
      if (mine.signal.aborted || signal.aborted) return;
      rows.replaceChildren(...page.items.map(draw));
      for (const tab of root.querySelectorAll(".tabs [aria-current]")) tab.removeAttribute("aria-current");
      none.hidden = page.items.length > 0;
      root.querySelector(".after")?.remove();
      count.textContent = t(page.more ? "records.found_more" : "records.found", { count: page.items.length });
      history.replaceState(history.state, "", `/customers?q=${encodeURIComponent(typed)}`);
    } catch (error) {
      if (mine.signal.aborted) return;
      count.textContent = error instanceof Refusal ? (maybe(`records.refused.${error.errorId}`) ?? error.detail) : t("records.refused.away");
    }
  }

  box.addEventListener("input", (event) => {
    // While an input method composes, what stands in the box is not yet what is meant.
    if (event instanceof InputEvent && event.isComposing) return;
    clearTimeout(waiting);
    waiting = window.setTimeout(() => void find(), PAUSE);
  }, { signal });
  box.addEventListener("compositionend", () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(() => void find(), PAUSE);
  }, { signal });
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); rows.querySelector<HTMLAnchorElement>("a")?.focus(); }
  }, { signal });
  rows.addEventListener("keydown", (event) => {
    const links = [...rows.querySelectorAll<HTMLAnchorElement>("td:first-child a")];
    const here = links.indexOf(document.activeElement as HTMLAnchorElement);
    if (here < 0 || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    if (next < 0) box.focus(); else links[next]?.focus();
  }, { signal });
  rows.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const href = target?.closest("a") ? undefined : target?.closest<HTMLElement>("tr")?.dataset["href"];
    if (href) visit(href);
  }, { signal });
  hotkey("/", t("records.key.search"), (event) => { event.preventDefault(); box.focus(); box.select(); }, signal);
  signal.addEventListener("abort", () => { clearTimeout(waiting); asked?.abort(); });
});

island("record", (_root, signal) => {
  const edit = document.querySelector<HTMLAnchorElement>('.records-head a[data-key="e"]');
  if (edit) hotkey("e", t("records.key.edit"), () => visit(edit.href), signal);
  hotkey("/", t("records.key.search"), (event) => { event.preventDefault(); visit("/customers"); }, signal);
});

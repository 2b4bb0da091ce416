// The customer's page of a survey, alone. Without it the forms work as they are; with it nothing typed is lost to a bad
// network: an answer stays on the page and in the browser until the server has it, and is sent when the network is back.
const KEPT = "careline:answer:";
const OLD = 14 * 24 * 3600 * 1000;
let sending = false;
let waiting = false;

interface Draft { at: number; values: [string, string][] }

function keyOf(form: HTMLFormElement): string {
  return `${KEPT}${form.dataset["offer"] ?? ""}:${form.dataset["question"] ?? ""}`;
}

function forget(match: (key: string, draft: Draft | null) => boolean): void {
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(KEPT)) continue;
      let draft: Draft | null = null;
      try { draft = JSON.parse(localStorage.getItem(key) ?? "null") as Draft | null; } catch { /* not ours any more */ }
      if (match(key, draft)) localStorage.removeItem(key);
    }
  } catch { /* a browser that keeps nothing */ }
}

function keep(form: HTMLFormElement): void {
  const values = [...new FormData(form)].filter((one): one is [string, string] => typeof one[1] === "string" && (one[0] === "value" || one[0].startsWith("pick-")));
  try { localStorage.setItem(keyOf(form), JSON.stringify({ at: Date.now(), values })); } catch { /* the page holds it */ }
}

// What was typed here and never reached the server, put back into its fields.
function restore(form: HTMLFormElement): void {
  let draft: Draft | null = null;
  try { draft = JSON.parse(localStorage.getItem(keyOf(form)) ?? "null") as Draft | null; } catch { return; }
  if (!draft || !Array.isArray(draft.values)) return;
  for (const one of form.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('[name="value"], [name^="pick-"]')) {
    const given = draft.values.filter(([name]) => name === one.name).map(([, value]) => value);
    if (one instanceof HTMLInputElement && (one.type === "radio" || one.type === "checkbox")) one.checked = given.includes(one.value);
    else if (given[0] !== undefined) one.value = given[0];
  }
}

function say(form: HTMLFormElement, words: string): void {
  const line = form.querySelector<HTMLElement>("#trouble");
  if (!line) return;
  line.hidden = !words;
  line.textContent = words;
}

function show(text: string, address: string): void {
  const next = new DOMParser().parseFromString(text, "text/html");
  const main = next.querySelector("[data-main]");
  const here = document.querySelector("[data-main]");
  if (!main || !here) { location.reload(); return; }
  if (address !== location.href) history.pushState(null, "", address);
  document.title = next.title;
  const language = document.querySelector<HTMLAnchorElement>(".sl-top a");
  const other = next.querySelector<HTMLAnchorElement>(".sl-top a")?.getAttribute("href");
  if (language && other) language.setAttribute("href", other);
  here.replaceWith(main);
  scrollTo(0, 0);
  start();
  const head = document.querySelector<HTMLElement>('[role="alert"]:not([hidden])') ?? document.querySelector<HTMLElement>("h1");
  if (head) { head.tabIndex = -1; head.focus({ preventScroll: true }); }
}

async function send(form: HTMLFormElement, button: HTMLElement | null): Promise<void> {
  if (sending) return;
  sending = true;
  waiting = false;
  const body = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
  if (button instanceof HTMLButtonElement && button.name) body.append(button.name, button.value);
  const buttons = [...form.querySelectorAll("button")];
  const words = button?.textContent ?? "";
  for (const one of buttons) one.disabled = true;
  if (button) button.textContent = form.dataset["sending"] ?? words;
  try {
    const answer = await fetch(form.getAttribute("action") ?? location.pathname, { method: "POST", body, credentials: "same-origin", headers: { Accept: "text/html" } });
    const text = await answer.text();
    if (answer.status >= 500) throw new TypeError("the service is away");
    if (answer.ok) try { localStorage.removeItem(keyOf(form)); } catch { /* nothing kept */ }
    show(text, answer.redirected ? answer.url : location.href);
  } catch {
    keep(form);
    waiting = true;
    if (button) button.textContent = words;
    for (const one of buttons) one.disabled = false;
    say(form, form.dataset["lost"] ?? "");
  } finally {
    sending = false;
  }
}

function start(): void {
  const done = document.querySelector<HTMLElement>("[data-answered]")?.dataset["answered"];
  forget((key, draft) => (!!done && key.startsWith(`${KEPT}${done}:`)) || Date.now() - (draft?.at ?? 0) > OLD);
  const form = document.querySelector<HTMLFormElement>("form[data-offer]");
  if (!form) return;
  if (form.dataset["question"]) {
    if (form.dataset["refused"] === undefined) restore(form);
    form.addEventListener("input", (event) => {
      // One that excludes the others is chosen alone.
      const one = event.target;
      if (one instanceof HTMLInputElement && one.type === "checkbox" && one.checked) {
        for (const other of form.querySelectorAll<HTMLInputElement>('[type="checkbox"]')) {
          if (other !== one && (one.dataset["alone"] !== undefined || other.dataset["alone"] !== undefined)) other.checked = false;
        }
      }
      say(form, "");
      keep(form);
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter ?? form.querySelector<HTMLElement>("button");
    void send(form, button instanceof HTMLElement ? button : null);
  });
}

addEventListener("online", () => {
  const form = document.querySelector<HTMLFormElement>("form[data-offer]");
  if (waiting && form) void send(form, form.querySelector<HTMLElement>("button"));
});
addEventListener("popstate", () => location.reload());
start();

export {};

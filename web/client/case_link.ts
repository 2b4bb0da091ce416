// The page of a private link, alone: keeps what is typed in this browser until it is sent, and sends nothing twice.
const root = document.querySelector<HTMLElement>("[data-link]");
const OLD = 7 * 24 * 3600 * 1000;

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

function fieldsOf(form: HTMLFormElement): Field[] {
  return [...form.elements].filter((one): one is Field => (one instanceof HTMLInputElement && one.type !== "hidden") || one instanceof HTMLSelectElement || one instanceof HTMLTextAreaElement);
}

if (root) {
  // The link's id, never its secret: what is kept outlives the page.
  const keyOf = (step: string): string => `careline:link:${root.dataset["link"] ?? ""}:${step}`;
  const done = root.dataset["done"];
  try {
    if (done) localStorage.removeItem(keyOf(done));
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith("careline:link:")) continue;
      const kept = JSON.parse(localStorage.getItem(key) ?? "{}") as { at?: number };
      if (Date.now() - (kept.at ?? 0) > OLD) localStorage.removeItem(key);
    }
  } catch { /* a browser that keeps nothing */ }
  // The answer of a step is in the address: a second look must not thank again.
  if (done) history.replaceState(null, "", location.pathname);

  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-step]")) {
    const key = keyOf(form.dataset["step"] ?? "");
    try {
      const kept = JSON.parse(localStorage.getItem(key) ?? "null") as { values: Record<string, string> } | null;
      for (const one of fieldsOf(form)) {
        const value = kept?.values[one.name];
        if (value && (!one.value || one instanceof HTMLSelectElement)) one.value = value;
      }
    } catch { /* nothing kept */ }
    form.addEventListener("input", () => {
      const values = Object.fromEntries(fieldsOf(form).filter((one) => one.name).map((one) => [one.name, one.value]));
      try { localStorage.setItem(key, JSON.stringify({ at: Date.now(), values })); } catch { /* the page holds it */ }
    });
    form.addEventListener("submit", () => {
      // Disabled in the next turn: a button that is disabled now would not be sent.
      setTimeout(() => { for (const one of form.querySelectorAll("button")) one.disabled = true; });
    });
    // Back from the next page, the form can be sent again.
    addEventListener("pageshow", () => { for (const one of form.querySelectorAll("button")) one.disabled = false; });
  }
}

export {};

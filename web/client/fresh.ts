// A part of a page that shows how something stands now: fetched again every few seconds while somebody looks at it.
import { island } from "./islands";

const EVERY_MS = 4000;

island("fresh", (root, signal) => {
  const again = async (): Promise<void> => {
    if (document.hidden || root.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal }).catch(() => undefined);
    if (!answer?.ok) return; // the page says by itself that the service is away
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const place = [...document.querySelectorAll('[data-island="fresh"]')].indexOf(root);
    const now = page.querySelectorAll('[data-island="fresh"]')[place];
    if (now && !signal.aborted && now.innerHTML !== root.innerHTML) root.replaceChildren(...now.childNodes);
  };
  const timer = window.setInterval(() => void again().catch(() => undefined), EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
});

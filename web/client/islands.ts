// Islands: a part of a page that has a script. `island("calls", mount)` runs `mount` for every element with
// data-island="calls" as soon as it is on the page, however it came there, and ends it by its signal when it goes.

export type Mount = (root: HTMLElement, signal: AbortSignal) => void;

const known = new Map<string, Mount>();
const mounted = new Map<HTMLElement, AbortController>();

export function island(name: string, mount: Mount): void {
  known.set(name, mount);
  if (document.readyState !== "loading") look(document.documentElement);
}

function look(within: Element): void {
  const found = [...within.querySelectorAll<HTMLElement>("[data-island]")];
  if (within instanceof HTMLElement && within.dataset["island"]) found.unshift(within);
  for (const root of found) {
    if (mounted.has(root)) continue;
    const mount = known.get(root.dataset["island"] ?? "");
    if (!mount) continue;
    const controller = new AbortController();
    mounted.set(root, controller);
    mount(root, controller.signal);
  }
}

let sweeping = 0;

// An element that Turbo carries from page to page is away for a moment: only what stays away has gone.
function sweep(): void {
  clearTimeout(sweeping);
  sweeping = window.setTimeout(() => {
    for (const [root, controller] of mounted) {
      if (root.isConnected) continue;
      controller.abort();
      mounted.delete(root);
    }
  }, 100);
}

export function startIslands(): void {
  look(document.documentElement);
  new MutationObserver((changes) => {
    let gone = false;
    for (const change of changes) {
      for (const node of change.addedNodes) if (node instanceof Element) look(node);
      gone ||= change.removedNodes.length > 0;
    }
    if (gone) sweep();
  }).observe(document.documentElement, { childList: true, subtree: true });
}

// What the server put beside an island for its script: <script type="application/json" data-page>.
export function pageOf<T>(root: ParentNode): T {
  return JSON.parse(root.querySelector('script[type="application/json"][data-page]')?.textContent ?? "null") as T;
}

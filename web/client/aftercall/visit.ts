// Going to a page without leaving the frame, so that a call in the browser goes on.
interface Turbo { visit: (path: string, options?: { action: "advance" | "replace" }) => void }

export function visit(path: string, { action }: { action: "advance" | "replace" } = { action: "advance" }): void {
  const turbo = (window as unknown as { Turbo?: Turbo }).Turbo;
  if (turbo) turbo.visit(path, { action });
  else location.assign(path);
}

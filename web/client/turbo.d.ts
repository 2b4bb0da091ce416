// What is used of Turbo, which comes without types.
declare module "@hotwired/turbo" {
  export function visit(path: string, how?: { action?: "advance" | "replace" }): void;
}

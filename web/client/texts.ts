// The texts of the person's language; the server gives all of them in one file that is kept for ever.

declare global {
  interface Window { carelineTexts?: Record<string, string> }
}

// One text with its places filled in; the key itself where there is no such text, so that nothing is ever empty.
export function t(key: string, values?: Record<string, string | number>): string {
  const found = window.carelineTexts?.[key];
  if (found === undefined) return key;
  return values ? found.replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all)) : found;
}

// The same, but nothing where there is no such text.
export function maybe(key: string): string | undefined {
  return window.carelineTexts?.[key];
}

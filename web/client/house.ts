// What every page says about the house and the person: language, zone, csrf. Read afresh after each visit.

export interface House {
  language: "zh-CN" | "en";
  zone: string;
  csrf: string;
  now: string;
  live: string;
  user: { id: string; name: string; role: string };
  permissions: string[];
}

let from: HTMLElement | null = null;
let read: House | undefined;

export function house(): House | undefined {
  const found = document.getElementById("house");
  if (found !== from) {
    from = found;
    read = found?.textContent ? (JSON.parse(found.textContent) as House) : undefined;
  }
  return read;
}

export function may(permission: string): boolean {
  return house()?.permissions.includes(permission) ?? false;
}

// Reports: work reports, the maker's list, what is passed to departments, documents and who gets them.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { island } from "./islands";
import { notice } from "./notices";
import { t } from "./texts";

function told(root: ParentNode, error: unknown): void {
  const trouble = root.querySelector<HTMLElement>("[data-trouble]") ?? document.querySelector<HTMLElement>("[data-trouble]");
  if (!trouble) return;
  trouble.textContent = error instanceof Refusal ? error.detail : t("reports.away");
  trouble.hidden = false;
  trouble.scrollIntoView({ block: "nearest" });
}

// One request at a time: its buttons wait; the page changes only where the island is still there.
async function alone(root: HTMLElement, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  if (root.dataset["busy"]) return;
  root.dataset["busy"] = "yes";
  const buttons = [...root.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
  if (root instanceof HTMLButtonElement) buttons.push(root);
  for (const one of buttons) one.disabled = true;
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) told(root, error);
  } finally {
    delete root.dataset["busy"];
    for (const one of buttons) one.disabled = false;
  }
}

const text = (root: ParentNode, name: string): string =>
  root.querySelector<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>(`[name="${name}"]`)?.value ?? "";

// The same wish keeps its key until it was answered, so that asking again does nothing twice.
class Wish {
  private key = "";
  private about = "";
  of(what: string): string {
    if (this.about !== what || !this.key) [this.about, this.key] = [what, crypto.randomUUID()];
    return this.key;
  }
  done(): void { this.key = ""; }
}

// What is typed outlives a reload of the page, as long as nobody saved another version; gives how to forget it.
function keeping(root: HTMLElement, what: string, signal: AbortSignal): () => void {
  const key = `${what}-${root.dataset["id"]}`;
  const areas = [...root.querySelectorAll<HTMLTextAreaElement>("textarea")];
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null") as { version: string; words: Record<string, string> } | null;
  if (kept && kept.version === root.dataset["version"]) for (const one of areas) one.value = kept.words[one.name] ?? one.value;
  root.addEventListener("input", () => {
    const words = Object.fromEntries(areas.map((one) => [one.name, one.value]));
    sessionStorage.setItem(key, JSON.stringify({ version: root.dataset["version"], words }));
  }, { signal });
  return () => sessionStorage.removeItem(key);
}

island("report-print", (root, signal) => {
  root.addEventListener("click", () => window.print(), { signal });
});

island("report-begin", (root, signal) => {
  root.addEventListener("click", () => alone(root, signal, async () => {
    const made = await ask<{ id: string }>("/api/v1/work-reports", { body: { day: root.dataset["day"] }, signal });
    visit(`/reports/work/${made.id}`);
  }), { signal });
});

island("report-work", (root, signal) => {
  root.addEventListener("submit", (event) => event.preventDefault(), { signal });
  const saved = keeping(root, "work-report", signal);
  root.addEventListener("click", (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-step]");
    if (!button) return;
    const step = button.dataset["step"]!;
    void alone(root, signal, async () => {
      await ask(`/api/v1/work-reports/${root.dataset["id"]}/steps`, { body: {
        step, version: Number(root.dataset["version"]), problems: text(root, "problems"), plan: text(root, "plan"), comment: text(root, "comment"),
      }, signal });
      saved();
      notice(t(`reports.done_work.${step}`));
      visit(location.pathname, { action: "replace" });
    });
  }, { signal });
});

island("report-maker", (root, signal) => {
  const wish = new Wish();
  root.addEventListener("click", (event) => {
    const target = event.target as HTMLElement;
    const make = target.closest<HTMLButtonElement>("[data-make]");
    const button = target.closest<HTMLButtonElement>("[data-step]");
    if (make) {
      void alone(root, signal, async () => {
        const made = await ask<{ rows: number }>("/api/v1/maker-files", { body: {}, once: wish.of("file"), signal });
        wish.done();
        notice(t("reports.made_file").replace("{rows}", String(made.rows)));
        visit(location.href, { action: "replace" });
      });
    }
    if (!button) return;
    const row = button.closest<HTMLElement>("[data-visit]")!;
    const step = button.dataset["step"]!;
    const note = step === "leave_out" ? window.prompt(t("reports.leave_out_why")) : "";
    if (note === null) return;
    void alone(root, signal, async () => {
      await ask(`/api/v1/maker-visits/${row.dataset["visit"]}/steps`, { body: { step, version: Number(row.dataset["version"]), note }, signal });
      notice(t(`reports.done_maker.${step}`));
      visit(location.href, { action: "replace" });
    });
  }, { signal });
});

interface Secret { path: string; pin: string; expires_at: string }

// Address and PIN, shown once: they can be read nowhere else.
function shown(place: HTMLElement, link: Secret): void {
  const line = (label: string, value: string): HTMLElement => {
    const row = document.createElement("p");
    const name = document.createElement("span");
    const code = document.createElement("code");
    name.textContent = label;
    code.textContent = value;
    row.append(name, " ", code);
    return row;
  };
  const hint = document.createElement("p");
  hint.className = "quiet";
  hint.textContent = t("reports.link_once");
  place.replaceChildren(line(t("reports.link_address"), location.origin + link.path), line(t("reports.link_pin"), link.pin), hint);
  place.hidden = false;
}

island("report-pass", (root, signal) => {
  const wish = new Wish();
  root.addEventListener("click", (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-how]");
    if (!button) return;
    const how = button.dataset["how"]!;
    void alone(root, signal, async () => {
      const body = { day: root.dataset["day"], department: root.dataset["department"], how, recipient: text(root, "recipient") };
      const made = await ask<{ id: string; link: Secret | null }>("/api/v1/problems", { body, once: wish.of(JSON.stringify(body)), signal });
      wish.done();
      if (signal.aborted) return;
      notice(t("reports.passed_on"));
      if (made.link) {
        shown(root.querySelector<HTMLElement>("[data-secret]")!, made.link);
        for (const one of root.querySelectorAll<HTMLElement>(".badge[data-kind='warn']")) one.textContent = t("reports.passed");
      } else visit(`/reports/problems/${made.id}`);
    });
  }, { signal });
});

// Lines of people who get a report: chosen from the house, or named.
function people(root: HTMLElement, signal: AbortSignal): () => { name: string; how: string; user_id: string | null }[] {
  const list = root.querySelector<HTMLElement>("[data-people]");
  const how = root.querySelector<HTMLSelectElement>("[data-new-how]");
  const user = root.querySelector<HTMLSelectElement>("[data-new-user]");
  const name = root.querySelector<HTMLInputElement>("[data-new-name]");
  const kind = (): void => {
    if (!how || !user || !name) return;
    user.hidden = how.value !== "page";
    name.hidden = how.value === "page";
  };
  how?.addEventListener("change", kind, { signal });
  kind();
  const add = (given: { name: string; how: string; user_id: string | null }): void => {
    if (!given.name.trim() || !list) return;
    if ([...list.querySelectorAll<HTMLElement>("[data-name]")].some((one) => one.dataset["name"] === given.name && one.dataset["how"] === given.how)) return;
    for (const one of list.querySelectorAll("li.quiet")) one.remove();
    const line = document.createElement("li");
    Object.assign(line.dataset, { name: given.name, how: given.how, user: given.user_id ?? "", state: "waiting" });
    const label = document.createElement("b");
    label.textContent = given.name;
    const way = document.createElement("span");
    way.className = "quiet";
    way.textContent = t(`reports.how.${given.how}`);
    const drop = document.createElement("button");
    drop.type = "button";
    drop.dataset["drop"] = "";
    drop.textContent = t("reports.drop");
    line.append(label, " ", way, " ", drop);
    list.append(line);
  };
  root.querySelector("[data-add]")?.addEventListener("click", () => {
    if (!how || !user || !name) return;
    if (how.value === "page") add({ name: user.selectedOptions[0]?.text ?? "", how: "page", user_id: user.value });
    else { add({ name: name.value.trim(), how: how.value, user_id: null }); name.value = ""; name.focus(); }
  }, { signal });
  const lists = root.querySelector<HTMLSelectElement>("[data-list]");
  lists?.addEventListener("change", () => {
    const chosen = lists.selectedOptions[0]?.dataset["entries"];
    if (chosen) for (const one of JSON.parse(chosen) as { name: string; how: string; user_id: string | null }[]) add(one);
    lists.value = "";
  }, { signal });
  root.addEventListener("click", (event) => {
    (event.target as HTMLElement).closest("[data-drop]")?.closest("li")?.remove();
  }, { signal });
  return () => [...(list?.querySelectorAll<HTMLElement>('[data-state="waiting"]') ?? [])].map((one) => ({
    name: one.dataset["name"] ?? "", how: one.dataset["how"] ?? "", user_id: one.dataset["user"] || null,
  }));
}

island("report-new", (root, signal) => {
  const wish = new Wish();
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    void alone(root, signal, async () => {
      const body = {
        kind: text(root, "kind"), first: text(root, "first"), last: text(root, "last"), language: document.documentElement.lang,
        list_id: text(root, "list_id") || null, case_id: text(root, "case_id") || null,
      };
      const made = await ask<{ id: string }>("/api/v1/reports", { body, once: wish.of(JSON.stringify(body)), signal });
      wish.done();
      visit(`/reports/documents/${made.id}`);
    });
  }, { signal });
});

island("report-document", (root, signal) => {
  root.addEventListener("submit", (event) => event.preventDefault(), { signal });
  const recipients = people(root, signal);
  const areas = [...root.querySelectorAll<HTMLTextAreaElement>("[data-section]")];
  const kept = keeping(root, "report", signal);
  const at = `/api/v1/reports/${root.dataset["id"]}/steps`;
  const step = async (word: string): Promise<void> => {
    let version = Number(root.dataset["version"]);
    // What is typed is saved first: nobody submits what he did not see.
    if (areas.length > 0 && word !== "withdraw") {
      const sections = Object.fromEntries(areas.map((one) => [one.dataset["section"]!, one.value]));
      const saved = await ask<{ version: number }>(at, { body: { step: "edit", version, title: text(root, "title"), sections, recipients: recipients() }, signal });
      version = saved.version;
      root.dataset["version"] = String(version);
      kept();
    }
    if (word !== "edit") {
      const more = word === "send" ? { recipients: recipients() } : {};
      await ask(at, { body: { step: word, version, note: text(root, "note"), ...more }, signal });
    }
    notice(t(`reports.done_report.${word}`));
    visit(location.pathname, { action: "replace" });
  };
  root.addEventListener("click", (event) => {
    const target = event.target as HTMLElement;
    const button = target.closest<HTMLButtonElement>("[data-step]");
    const link = target.closest<HTMLButtonElement>("[data-link]");
    const delivered = target.closest<HTMLButtonElement>("[data-delivered]");
    if (button) void alone(root, signal, () => step(button.dataset["step"]!));
    if (link) void alone(root, signal, async () => {
      const made = await ask<Secret>(`/api/v1/report-recipients/${link.dataset["link"]}/link`, { body: {}, signal });
      if (!signal.aborted) shown(root.querySelector<HTMLElement>("[data-secret]")!, made);
    });
    if (delivered) void alone(root, signal, async () => {
      await ask(`/api/v1/report-recipients/${delivered.dataset["delivered"]}/delivered`, { body: {}, signal });
      visit(location.pathname, { action: "replace" });
    });
  }, { signal });
});

island("report-list", (root, signal) => {
  const entries = people(root, signal);
  root.querySelector("[data-save]")?.addEventListener("click", () => alone(root, signal, async () => {
    const id = root.dataset["id"];
    await ask(`/api/v1/report-lists${id ? `/${id}` : ""}`, { body: { name: text(root, "name"), entries: entries(), version: Number(root.dataset["version"]) }, signal });
    notice(t("reports.saved"));
    visit(location.pathname, { action: "replace" });
  }), { signal });
});

island("report-schedule", (root, signal) => {
  const wish = new Wish();
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    void alone(root, signal, async () => {
      const id = root.dataset["id"];
      const body = {
        kind: text(root, "kind"), cadence: text(root, "cadence"), day: Number(text(root, "day")), list_id: text(root, "list_id") || null,
        language: document.documentElement.lang, is_on: root.querySelector<HTMLInputElement>('[name="is_on"]')!.checked, version: Number(root.dataset["version"]),
      };
      await ask(`/api/v1/report-schedules${id ? `/${id}` : ""}`, { body, once: wish.of(JSON.stringify(body)), signal });
      wish.done();
      notice(t("reports.saved"));
      visit(location.pathname, { action: "replace" });
    });
  }, { signal });
});

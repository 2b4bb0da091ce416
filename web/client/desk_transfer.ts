// The transfer dialog: whom the customer can be handed to. The service says who, in which order, and what can be done.
import { ask } from "./ask";
import { matching, type Handing, type Target } from "./desk_rules";
import { t } from "./texts";

function stands(one: Target): string {
  if (one.state) return t(`desk.state.${one.state}`);
  if (one.outside) return t("desk.transfer.outside");
  return one.ready === null ? t("desk.transfer.department") : t("desk.transfer.ready", { count: one.ready });
}

function line(one: Target, act: (one: Target, how: Handing) => void): HTMLLIElement {
  const row = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = one.label;
  name.title = one.label;
  row.append(name);
  if (one.own) {
    const mark = document.createElement("span");
    mark.className = "badge";
    mark.dataset["kind"] = "key";
    mark.textContent = t("desk.transfer.own");
    row.append(mark);
  }
  const state = document.createElement("span");
  state.className = "dim";
  state.textContent = stands(one);
  row.append(state);
  for (const how of one.orders) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset["how"] = how;
    button.textContent = t(`desk.transfer.${how}`);
    button.setAttribute("aria-label", `${t(`desk.transfer.${how}`)}: ${one.label}`);
    button.addEventListener("click", () => act(one, how));
    row.append(button);
  }
  return row;
}

// `act`: what was chosen for whom; the dialog is closed by then. Gives what opens it for a call.
export function transferDialog(
  box: HTMLDialogElement, { act, failed, signal }: { act: (one: Target, how: Handing) => void; failed: (error: unknown) => void; signal: AbortSignal },
): (callId: string) => Promise<void> {
  const search = box.querySelector("input") as HTMLInputElement;
  const list = box.querySelector('[data-place="targets"]') as HTMLElement;
  let targets: Target[] = [];
  // Counts openings: an answer for a call before is nobody's.
  let turn = 0;

  function draw(): void {
    const found = matching(targets, search.value);
    list.replaceChildren(...found.map((one) => line(one, (whom, how) => { box.close(); act(whom, how); })));
    if (found.length) return;
    const none = document.createElement("li");
    none.className = "dim";
    none.textContent = t("desk.transfer.nobody");
    list.append(none);
  }
  search.addEventListener("input", draw, { signal });

  return async (callId) => {
    const mine = ++turn;
    search.value = "";
    targets = [];
    list.replaceChildren();
    box.showModal();
    search.focus();
    try {
      const found = await ask<{ items: Target[] }>(`/api/v1/calls/${callId}/targets`);
      if (mine !== turn) return;
      targets = found.items;
    } catch (error) {
      if (mine !== turn) return;
      failed(error);
    }
    draw();
  };
}

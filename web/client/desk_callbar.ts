// The call bar: what the line is doing, and the few things one can do about it, each with its key.
import { ask, Refusal } from "./ask";
import { rings, standing, type Standing } from "./desk_rules";
import { guess, load, onDesk, startDesk, type Agent, type Desk } from "./desk_state";
import { transferDialog } from "./desk_transfer";
import { island } from "./islands";
import { hotkey } from "./keys";
import { notice } from "./notices";
import { NoMicrophone } from "./phone/sound";
import { phone as phoneNow, onPhone, type Phone, type PhoneState } from "./phone/port";
import { softphone } from "./phone/start";
import { t } from "./texts";
import { since, span, now as clock } from "./times";

// What went wrong, in the words of who refused; a holder is named.
export function complain(error: unknown): void {
  if (error instanceof Refusal) {
    const holder = error.problem["holder"];
    notice(typeof holder === "string" && holder ? t("desk.trouble.held", { name: holder }) : t("desk.trouble.refused", { why: error.detail }), { kind: "trouble" });
  } else if (error instanceof NoMicrophone) notice(t(`phone.trouble.${error.trouble}`), { kind: "trouble" });
  else notice(t("desk.trouble.away"), { kind: "trouble" });
}

// Where the page cannot do it: the desk telephone does, or why this page's own has no line.
function whyNot(state: PhoneState): string {
  if (state.kind === "desk") return t("desk.on_phone");
  return t(`phone.trouble.${state.trouble ?? "connection-lost"}`);
}

export async function setState(word: "ready" | "pause" | "sign-in" | "sign-out" | "extend", reason = ""): Promise<void> {
  const shown: Partial<Agent> = { ready: { state: "ready", reason: "", since: new Date(clock()).toISOString(), wrapup_until: null, call_id: null } as Partial<Agent>,
    pause: { state: "paused", reason, since: new Date(clock()).toISOString(), wrapup_until: null } as Partial<Agent>,
    "sign-in": { state: "ready", since: new Date(clock()).toISOString() } as Partial<Agent>,
    "sign-out": { state: "signed_out", since: new Date(clock()).toISOString() } as Partial<Agent>, extend: {} }[word];
  const talking = currentPhase === "talking";
  try {
    await guess(talking ? (word === "pause" ? { next_pause: reason } : { next_pause: "" }) : shown, () =>
      ask<Agent>(`/api/v1/agents/me/${word}`, { body: word === "pause" ? { reason } : {} }));
  } catch (error) { complain(error); }
}

let currentPhase = "idle";

island("callbar", (root, signal) => {
  startDesk();
  const place = (name: string): HTMLElement => root.querySelector<HTMLElement>(`[data-place="${name}"]`) as HTMLElement;
  const button = (name: string): HTMLElement => root.querySelector<HTMLElement>(`[data-act="${name}"]`) as HTMLElement;
  const dialog = (name: string): HTMLDialogElement => root.querySelector<HTMLDialogElement>(`[data-dialog="${name}"]`) as HTMLDialogElement;
  let phone: Phone = phoneNow();
  let line: PhoneState = phone.state;
  let desk: Readonly<Desk> | undefined;
  let consulting = "";
  let stands: Standing = "alone";
  let said = "";

  const show = (name: string, on: boolean): void => { const found = button(name); if (found) found.hidden = !on; };
  const enabled = (name: string): boolean => { const found = button(name); return !!found && !found.hidden && !(found as HTMLButtonElement).disabled; };

  function draw(): void {
    if (!desk) return;
    const { phase, call, agent, pop } = desk;
    currentPhase = phase;
    const held = phase === "talking" && (call?.state === "held" || line.line === "held");
    const dialing = phase === "talking" && call?.direction === "outbound" && !call.connected_at;
    if (phase !== "talking") consulting = "";
    const company = desk.company;
    stands = standing(company, { talking: phase === "talking", consulting: !!consulting });
    const all = stands === "together" || stands === "guest";
    root.dataset["phase"] = held ? "held" : phase;
    root.dataset["stands"] = stands;
    place("phase").textContent = t(`desk.phase.${all ? "conference" : held ? "held" : dialing ? "dialing" : phase}`);
    const names = company?.people.map((one) => one.name).join(t("desk.company.and")) || consulting;
    const waited = !!company?.people.length && company.people.every((one) => one.ringing);
    const others = stands === "alone" ? "" : t(`desk.company.${waited && stands !== "guest" && stands !== "asked" ? "ringing" : stands}`, { names });
    if (place("company").textContent !== others) place("company").textContent = others;
    const bar = place("bar");
    const html = pop?.html["bar"] ?? "";
    if (bar.dataset["shown"] !== html) { bar.innerHTML = html; bar.dataset["shown"] = html; }
    const talking = phase === "talking";
    // What the line itself says counts too: it goes on working while the service is away.
    const onLine = talking || line.line === "talking";
    const ringing = rings(phase, line.line);
    show("answer", ringing && phone.can("answer"));
    show("answer-by-hand", ringing && !phone.can("answer"));
    button("answer-by-hand").textContent = line.kind === "desk" ? t("desk.answer_on_phone") : whyNot(line);
    show("refuse", ringing && phone.can("answer"));
    show("hold", talking && stands === "alone");
    show("mute", onLine);
    show("keys", onLine && stands !== "consulting");
    show("transfer", talking && stands === "alone" && !dialing);
    show("complete", stands === "consulting");
    show("cancel", stands === "consulting");
    show("conference", stands === "consulting" && !!company?.people.some((one) => !one.ringing));
    // Whose call it is not only leaves it; whose it is may leave it to the others.
    show("leave", all || stands === "asked");
    show("hang_up", onLine && stands !== "guest" && stands !== "asked");
    show("extend", phase === "wrap_up");
    show("ready", phase === "wrap_up");
    for (const [name, what] of [["mute", "mute"], ["keys", "keys"]] as const) {
      const found = button(name) as HTMLButtonElement;
      found.disabled = !phone.can(what);
      found.title = phone.can(what) ? "" : whyNot(line);
    }
    button("hold").setAttribute("aria-pressed", String(held));
    (button("hold").firstElementChild as HTMLElement).textContent = t(held ? "desk.act.resume" : "desk.act.hold");
    button("mute").setAttribute("aria-pressed", String(line.muted));
    (button("mute").firstElementChild as HTMLElement).textContent = t(line.muted ? "desk.act.unmute" : "desk.act.mute");
    place("away").hidden = desk.link !== "off";
    const words = pop && phase !== "idle" ? pop.said : "";
    if (ringing && words !== said) { place("said").textContent = words; said = words; }
    if (phase === "idle") said = "";
    const title = document.title.replace(/^● [^–]*– /, "");
    const wanted = ringing && pop ? `● ${pop.name} – ${title}` : title;
    if (document.title !== wanted) document.title = wanted;
    tick();
    void agent;
  }

  function tick(): void {
    const timer = place("timer");
    let words = "";
    if (desk?.phase === "ringing" && desk.pop) words = span(since(desk.pop.waiting_since));
    else if (desk?.phase === "talking") words = span(since(desk.call?.held_since ?? desk.call?.connected_at ?? desk.pop?.connected_at ?? desk.agent?.since ?? new Date(clock()).toISOString()));
    else if (desk?.phase === "wrap_up" && desk.agent?.wrapup_until) words = "−" + span(Math.max(0, Math.ceil((Date.parse(desk.agent.wrapup_until) - clock()) / 1000)));
    if (timer.textContent !== words) timer.textContent = words;
  }
  const beat = window.setInterval(tick, 500);
  signal.addEventListener("abort", () => clearInterval(beat));

  async function order(word: string, body: Record<string, unknown> = {}, away?: () => void): Promise<boolean> {
    const id = desk?.pop?.call_id;
    if (!id) return false;
    try {
      await ask(`/api/v1/calls/${id}/${word}`, { body });
      return true;
    } catch (error) {
      // The customer has hung up, and colleagues still talk with each other: the line itself ends that.
      const over = error instanceof Refusal && error.errorId === "no-such-call" && line.line === "talking";
      if (away && (over || error instanceof TypeError)) away();
      else complain(error);
      void load();
      return false;
    }
  }

  const acts: Record<string, () => void> = {
    answer: () => void phone.answer(desk?.phase === "ringing" ? desk.pop?.call_id : undefined).catch(complain),
    refuse: () => void phone.hangUp().catch(complain),
    hold: () => {
      const back = root.dataset["phase"] === "held";
      // After a reload the service rings this page to bring the customer back: that is no call to ask about.
      if (back && desk?.pop) softphone()?.expect(desk.pop.call_id);
      void order(back ? "resume" : "hold");
    },
    mute: () => void phone.mute(!line.muted).catch(complain),
    keys: () => dialog("keys").showModal(),
    transfer: () => { if (desk?.pop) void openTransfer(desk.pop.call_id); },
    // The buttons stay until the service says that the call is over for this person: they do not change twice.
    complete: () => void order("complete-transfer"),
    conference: () => void order("conference").then((done) => { if (done) { consulting = ""; draw(); } }),
    leave: () => void order("leave", {}, () => void phone.hangUp().catch(complain)),
    cancel: () => void order("cancel-transfer").then((done) => { if (done) { consulting = ""; draw(); } }),
    hang_up: () => {
      if (desk?.link === "on" && desk.pop && desk.phase === "talking") {
        // Where the service is away after all, the line itself still ends the call.
        void order("hang-up", {}, () => void phone.hangUp().catch(complain));
      } else void phone.hangUp().catch(complain);
    },
    extend: () => void setState("extend"),
    ready: () => void setState("ready"),
  };
  root.addEventListener("click", (event) => {
    const act = (event.target as Element).closest<HTMLElement>("[data-act]")?.dataset["act"];
    if (act && acts[act] && enabled(act)) acts[act]();
  }, { signal });

  const key = (name: string, act: string, { always = false, first = true } = {}): void =>
    hotkey(name, `desk.act.${act}`, (event) => {
      if (!enabled(act)) return;
      event.preventDefault();
      // A key that is held down is one wish.
      if (!event.repeat) acts[act]?.();
    }, signal, { always, first: () => first && enabled(act) });
  key("Enter", "answer");
  key("h", "hold");
  key("m", "mute");
  key("k", "keys");
  key("t", "transfer");
  key("Alt+t", "cancel", { always: true });
  key("j", "conference");
  key("End", "hang_up");
  key("l", "leave");
  key("End", "refuse");
  key("e", "extend");
  key("Ctrl+Enter", "complete", { always: true });
  // A registration on the page is filed first; filing makes ready too.
  key("Ctrl+Enter", "ready", { always: true, first: false });

  const openTransfer = transferDialog(dialog("transfer"), {
    signal,
    failed: complain,
    act: (one, how) => {
      const target = { kind: one.kind, name: one.name };
      const asked = desk?.pop?.call_id;
      void order(how, how === "conference" ? { invited: target } : { target }).then((done) => {
        // The answer may be late: by now the next caller may be on the line.
        if (!done || desk?.pop?.call_id !== asked) return;
        if (how === "consult") consulting = one.label;
        if (how === "conference") notice(t("desk.company.invited", { name: one.label }));
        draw();
      });
    },
  });
  dialog("keys").addEventListener("click", (event) => {
    const pressed = (event.target as Element).closest<HTMLElement>("[data-key]")?.dataset["key"];
    if (pressed) void phone.keys(pressed).catch(complain);
  }, { signal });

  dialog("keys").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || !/^[0-9*#]$/.test(event.key)) return;
    event.preventDefault();
    void phone.keys(event.key).catch(complain);
  }, { signal });

  onPhone((next) => {
    phone = next;
    next.on((state) => { line = state; draw(); }, signal);
  }, signal);
  onDesk((next, why) => {
    desk = next;
    draw();
    if (why === "pop_end:missed") notice(t("desk.missed.notice"), { kind: "trouble" });
    else if (why.startsWith("pop_end")) notice(t("desk.pop.ended"));
  }, signal);
  void load();
});

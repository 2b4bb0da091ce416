// The telephone's settings: which telephone, which devices, and a check that one hears and is heard.
import { Refusal } from "../ask";
import { t } from "../texts";
import { phone, type PhoneState } from "./port";
import { Bell, choose, chosen, devices, DEVICES, Echo, endStream, Meter, microphone, NoMicrophone, type Device } from "./sound";
import { kindNow, kinds, useKind } from "./start";

const WORKED = 0.25;

// Opens the dialog; it is made for the occasion and goes when it is closed, with the microphone.
export function openPanel(): void {
  if (document.getElementById("phone-panel")) return;
  const dialog = document.createElement("dialog");
  dialog.id = "phone-panel";
  dialog.className = "ph-panel";
  dialog.setAttribute("aria-labelledby", "phone-panel-title");
  const closing = new AbortController();
  dialog.append(head(), which(dialog), ...(kindNow() === "browser" ? [soundPart(closing.signal)] : []));
  dialog.addEventListener("close", () => { closing.abort(); dialog.remove(); });
  document.body.append(dialog);
  dialog.showModal();
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, words = "", className = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (words) made.textContent = words;
  if (className) made.className = className;
  return made;
}

function head(): HTMLElement {
  const form = make("form", "", "ph-head");
  form.method = "dialog";
  const title = make("h2", t("phone.panel.title"));
  title.id = "phone-panel-title";
  const close = make("button");
  close.append(t("detail.close"), " ", make("kbd", "Esc"));
  form.append(title, close);
  return form;
}

function which(dialog: HTMLDialogElement): HTMLElement {
  const part = make("fieldset", "", "ph-kinds");
  part.append(make("legend", t("phone.kind.title")));
  const said = make("p", "", "ph-said");
  said.role = "alert";
  for (const kind of ["browser", "desk"] as const) {
    if (!kinds().includes(kind)) continue;
    const label = make("label");
    const radio = make("input");
    radio.type = "radio";
    radio.name = "phone-kind";
    radio.value = kind;
    radio.checked = kindNow() === kind;
    radio.addEventListener("change", () => {
      useKind(kind).then(
        () => { dialog.addEventListener("close", openPanel, { once: true }); dialog.close(); },
        (error: unknown) => {
          said.textContent = error instanceof Refusal ? t("phone.kind.not_now") : t("phone.refused.away");
          for (const one of part.querySelectorAll("input")) one.checked = one.value === kindNow();
        },
      );
    });
    const words = make("span");
    words.append(make("b", t(`phone.kind.${kind}`)), make("small", t(`phone.kind.${kind}.help`)));
    label.append(radio, words);
    part.append(label);
  }
  part.append(said);
  return part;
}

function soundPart(signal: AbortSignal): HTMLElement {
  const part = make("div", "", "ph-sounds");
  const said = make("p", "", "ph-said");
  said.role = "alert";
  const meter = make("meter", "", "ph-meter");
  meter.min = 0;
  meter.max = 1;
  meter.ariaLabel = t("phone.check.level");
  const works = make("span", t("phone.check.speak"), "ph-works");
  const lists = new Map<Device, HTMLSelectElement>();
  for (const device of DEVICES) {
    const label = make("label", t(`phone.device.${device}`), "ph-device");
    const select = make("select");
    select.dataset["device"] = device;
    select.addEventListener("change", () => {
      choose(device, select.value);
      if (device === "microphone") void listen();
    });
    lists.set(device, select);
    label.append(select);
    part.append(label);
  }
  const check = make("div", "", "ph-check");
  const echo = make("button", t("phone.check.echo"));
  echo.type = "button";
  echo.ariaPressed = "false";
  const ring = make("button", t("phone.check.ring"));
  ring.type = "button";
  ring.ariaPressed = "false";
  check.append(meter, works, echo, ring);
  part.append(check, said);

  let mine: MediaStream | null = null;
  let level: Meter | undefined;
  let loop: Echo | undefined;
  const bell = new Bell();
  let timer = 0;

  async function listen(): Promise<void> {
    end();
    try {
      mine = await microphone();
    } catch (error) {
      const trouble: PhoneState["trouble"] = error instanceof NoMicrophone ? error.trouble : "no-microphone";
      said.textContent = t(`phone.help.${trouble}`);
      return;
    }
    if (signal.aborted) { end(); return; }
    said.textContent = "";
    level = new Meter(mine);
    if (echo.ariaPressed === "true") loop = new Echo(mine);
    const found = await devices();
    for (const [device, select] of lists) {
      const wanted = chosen(device);
      select.replaceChildren(new Option(t("phone.device.default"), ""), ...found[device]
        .filter((one) => one.deviceId && one.deviceId !== "default" && one.deviceId !== "communications")
        .map((one) => new Option(one.label || t(`phone.device.${device}`), one.deviceId)));
      select.value = [...select.options].some((one) => one.value === wanted) ? wanted : "";
    }
    timer = window.setInterval(() => {
      const now = level?.level() ?? 0;
      meter.value = now;
      if (now > WORKED) works.textContent = t("phone.check.heard");
    }, 60);
  }

  function end(): void {
    clearInterval(timer);
    level?.end();
    loop?.end();
    level = undefined;
    loop = undefined;
    endStream(mine);
    mine = null;
  }

  echo.addEventListener("click", () => {
    const on = echo.ariaPressed !== "true";
    echo.ariaPressed = String(on);
    loop?.end();
    loop = on && mine ? new Echo(mine) : undefined;
  });
  ring.addEventListener("click", () => {
    const on = !bell.rings;
    ring.ariaPressed = String(on);
    if (on) bell.ring(); else bell.quiet();
  });
  navigator.mediaDevices?.addEventListener("devicechange", () => void listen(), { signal });
  signal.addEventListener("abort", () => { end(); bell.quiet(); });
  // A microphone in a call is not asked for twice: two recordings of one device are fine in every browser we know.
  if (phone().state.trouble !== "insecure-page") void listen();
  else said.textContent = t("phone.help.insecure-page");
  return part;
}

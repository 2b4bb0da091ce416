// The telephone in the page: JsSIP, sound and locks around the states of machine.ts.
// The customer's side (hold, transfer, conference) is the service's; this answers, mutes, sends keys, hangs up.
import { UA } from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { Socket } from "jssip/lib/Socket";
import { ask, Refusal } from "../ask";
import { house } from "../house";
import { Holder } from "./lock";
import { next, OFF, shown, type Event, type Machine } from "./machine";
import type { Ability, Phone, PhoneState } from "./port";
import { sampleOf, Watch } from "./quality";
import { ELSEWHERE, ENDED, Line } from "./socket";
import { Bell, chosen, endStream, microphone, NoMicrophone, player } from "./sound";

interface Key {
  url: string;
  direct_url: string;
  user: string;
  secret: string;
  fresh: boolean;
  ice: { urls: string[]; username: string; credential: string }[];
  auto_answer: boolean;
}

// A new secret reaches the switch within seconds; longer than this it is refused for another reason.
const REFUSED_FOR = 20_000;
// Failing to answer within this is a call lost; the page answers by itself in these cases.
const EXPECTED_FOR = 40_000;
// A service that did not say who waits for this page is asked again after this.
const BACK_AGAIN = 1000;
// The desk shows who calls a moment before the call is on the line: a click in between answers it when it is.
const ON_ITS_WAY = 5_000;
// RFC 4733 events, milliseconds: long enough for every menu.
const KEY_LASTS = 120;
const KEY_GAP = 80;

export class Softphone implements Phone {
  private machine: Machine = OFF;
  private readonly watchers = new Set<(state: PhoneState) => void>();
  private readonly page = Array.from(crypto.getRandomValues(new Uint8Array(12)), (one) => one.toString(36)).join("");
  private readonly holder: Holder;
  private readonly bell = new Bell();
  private readonly audio = player("speaker");
  private ua: UA | undefined;
  private line: Line | undefined;
  private session: RTCSession | undefined;
  private mine: MediaStream | null = null;
  private key: Key | undefined;
  private refusedSince = 0;
  private looking = 0;
  private answers = Promise.resolve();
  // Another browser of the same person has the telephone; the lock of this browser is still ours.
  private away = false;
  // Counts starts and stops: what was begun before the last of them is dropped.
  private turn = 0;
  // Calls this page asked for: answered by themselves when they ring.
  private readonly expected = new Map<string, number>();
  // Counts what happened to microphones: another one, or the person has let the browser have it.
  private microphones = 0;
  private watching: Promise<void> = Promise.resolve();
  private readonly life = new AbortController();
  // The one she answered before it was on the line.
  private wished = "";
  bellBlocked = false;

  constructor() {
    this.holder = new Holder(
      `careline-phone-${house()?.user.id ?? ""}`,
      this.page,
      () => { this.away = false; void this.start(); },
      () => this.letGo(),
    );
  }

  // Become the person's telephone, as soon as no other page is.
  begin(): void {
    document.addEventListener("careline:device", this.deviceChanged);
    if (!window.isSecureContext || !("mediaDevices" in navigator) || !("locks" in navigator)) {
      this.happened({ what: "starting" });
      this.happened({ what: "failed", why: "insecure-page" });
      return;
    }
    this.watching = this.watchMicrophones();
    this.holder.begin();
  }

  // Another kind of telephone was chosen, or the person signs out.
  end(): void {
    document.removeEventListener("careline:device", this.deviceChanged);
    this.life.abort();
    this.holder.end();
    this.stop(true);
    this.happened({ what: "off" });
  }

  get state(): PhoneState {
    return shown(this.machine);
  }

  // What the tests and the panel look at.
  get connection(): RTCPeerConnection | null {
    return this.session?.connection ?? null;
  }

  // Only the page that has the line can: another window of the same person, or one without a microphone, cannot.
  // A call that is on its way to a connected page is answered by it, so that the button does not blink.
  can(what: Ability): boolean {
    return this.session !== undefined || (what === "answer" && this.machine.standing === "registered");
  }

  on(change: (state: PhoneState) => void, signal: AbortSignal): void {
    this.watchers.add(change);
    signal.addEventListener("abort", () => this.watchers.delete(change), { once: true });
    change(this.state);
  }

  // A call of this id that rings soon is this page's own doing; one on hold rings whenever it is taken back.
  expect(callId: string, held = false, within = EXPECTED_FOR): void {
    this.expected.set(callId, held ? Infinity : Math.max(this.expected.get(callId) ?? 0, Date.now() + within));
    if (this.machine.call?.phase === "ringing" && this.machine.call.id === callId) void this.answer().catch(() => undefined);
  }

  // After the person let the browser have the microphone, or plugged one in.
  again(): void {
    if (this.machine.standing === "failed") void this.start();
  }

  takeOver(): Promise<void> {
    if (this.away) {
      this.away = false;
      void this.start();
    } else this.holder.takeOver();
    return Promise.resolve();
  }

  async answer(callId?: string): Promise<void> {
    const session = this.session;
    if (!session && callId && this.machine.standing === "registered") {
      this.wished = callId;
      this.expect(callId, false, ON_ITS_WAY);
      return;
    }
    if (!session || this.machine.call?.phase !== "ringing") throw new Error("nothing rings");
    this.happened({ what: "answering" });
    this.bell.quiet();
    let stream: MediaStream;
    try {
      stream = await microphone();
    } catch (error) {
      if (this.session !== session) throw error;
      const why = error instanceof NoMicrophone ? error.trouble : "no-microphone";
      this.happened({ what: "call-failed", why });
      // 480: the queue goes on to somebody who can talk.
      if (!session.isEnded()) session.terminate({ status_code: 480 });
      throw error;
    }
    if (this.session !== session || session.isEnded()) {
      // The caller hung up while the browser asked for the microphone: nobody may hear it any more.
      endStream(stream);
      this.over(session);
      return;
    }
    this.mine = stream;
    session.answer({ mediaStream: this.mine, pcConfig: this.servers() });
  }

  hangUp(): Promise<void> {
    const session = this.session;
    // Answered ahead and then refused: it rings, and nobody answers for her.
    if (!session) this.expected.delete(this.wished);
    if (session && !session.isEnded()) {
      session.terminate(session.isEstablished() ? {} : { status_code: 486, reason_phrase: "Busy Here" });
    }
    return Promise.resolve();
  }

  mute(on: boolean): Promise<void> {
    if (this.machine.call?.phase !== "talking") return Promise.reject(new Error("nobody talks"));
    if (on) this.session?.mute({ audio: true });
    else this.session?.unmute({ audio: true });
    this.happened({ what: "muted", on });
    return Promise.resolve();
  }

  keys(keys: string): Promise<void> {
    if (this.machine.call?.phase !== "talking" || !/^[0-9*#]{1,32}$/.test(keys)) return Promise.reject(new Error("no keys now"));
    const sender = this.connection?.getSenders().find((one) => one.dtmf !== null);
    if (!sender?.dtmf) return Promise.reject(new Error("the line takes no keys"));
    sender.dtmf.insertDTMF(sender.dtmf.toneBuffer + keys, KEY_LASTS, KEY_GAP);
    return Promise.resolve();
  }

  private happened(event: Event): void {
    const before = this.machine;
    this.machine = next(before, event);
    if (this.machine === before) return;
    for (const tell of [...this.watchers]) tell(this.state);
  }

  private servers(): RTCConfiguration {
    return { iceServers: this.key?.ice.map((one) => ({ urls: one.urls, username: one.username, credential: one.credential })) ?? [] };
  }

  // The lock is ours: secret, microphone, registration.
  private async start(): Promise<void> {
    this.stop(false);
    const turn = this.turn;
    this.happened({ what: "starting" });
    await this.watching;
    if (turn !== this.turn) return;
    const microphones = this.microphones;
    try {
      // Asked once now, so that the browser's question does not come with the first call.
      endStream(await microphone());
    } catch (error) {
      if (turn !== this.turn) return;
      this.happened({ what: "failed", why: error instanceof NoMicrophone ? error.trouble : "no-microphone" });
      if (microphones !== this.microphones) void this.start(); // allowed while the browser was refusing it
      return;
    }
    await this.register(turn);
  }

  private async register(turn: number): Promise<void> {
    if (turn !== this.turn) return;
    let key: Key;
    try {
      key = await ask<Key>("/api/v1/desk/phone", { body: {} });
    } catch (error) {
      if (turn !== this.turn) return;
      if (error instanceof Refusal && error.status < 500) {
        this.happened({ what: "failed", why: "not-registered" });
        return;
      }
      // The service is away: with the secret we have, if we have one; else as soon as it answers.
      if (!this.key) {
        this.happened({ what: "registering" });
        setTimeout(() => void this.register(turn), 3000);
        return;
      }
      key = this.key;
    }
    if (turn !== this.turn) return;
    this.key = key;
    this.happened({ what: "registering" });
    const gate = new URL(key.url, location.href);
    gate.protocol = gate.protocol === "https:" ? "wss:" : "ws:";
    gate.searchParams.set("page", this.page);
    const line = new Line(gate.href, key.direct_url, () => this.machine.call !== null, (code) => this.closed(code),
      () => ask("/api/v1/desk/phones", { signal: AbortSignal.timeout(4000) }).then(() => true, () => false));
    const ua = new UA({
      // The library's type of a socket is narrower than what it asks of one.
      sockets: line as unknown as Socket,
      uri: `sip:${key.user}@${location.hostname.includes(":") ? "127.0.0.1" : location.hostname}`,
      password: key.secret,
      register: true,
      register_expires: 120,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 8,
      user_agent: "Careline",
    });
    this.ua = ua;
    this.line = line;
    const current = (): boolean => this.ua === ua;
    ua.on("registered", () => { if (current()) this.registered(); });
    ua.on("disconnected", () => { if (current()) this.happened({ what: "line-lost" }); });
    ua.on("registrationFailed", (event) => { if (current()) this.refused(String(event.cause ?? "")); });
    ua.on("newRTCSession", (event: { originator: string; session: RTCSession; request: { getHeader(name: string): string | undefined } }) => {
      if (!current() || event.originator !== "remote") return;
      const { request } = event;
      this.rung(event.session, request.getHeader("X-Careline-Call") ?? null, request.getHeader("X-Careline-Answer") === "now");
    });
    ua.start();
  }

  private registered(): void {
    const first = this.machine.standing !== "registered";
    this.refusedSince = 0;
    this.happened({ what: "registered" });
    if (!first) return;
    // The line is new: whoever waited for this page is brought back, and a call that outlived the old line is asked for.
    const session = this.session;
    if (session?.isEstablished()) session.renegotiate();
    if (this.ua) this.answers = this.back(this.ua, Date.now() + EXPECTED_FOR);
  }

  // Who waits for this page; asked again where nobody answers, because the customer hears music as long.
  private async back(ua: UA, until: number): Promise<void> {
    try {
      const found = await ask<{ call_id: string | null; held: boolean }>("/api/v1/desk/phone/back", { body: {} });
      if (found.call_id) this.expect(found.call_id, found.held);
    } catch (error) {
      if (Date.now() > until || (error instanceof Refusal && error.status < 500)) return;
      await new Promise((resolve) => setTimeout(resolve, BACK_AGAIN));
      if (this.ua === ua) await this.back(ua, until);
    }
  }

  private refused(_cause: string): void {
    // 401 and 403 mean another secret: one that the switch has not read yet, or one that is no longer ours.
    this.refusedSince ||= Date.now();
    const long = Date.now() - this.refusedSince > REFUSED_FOR;
    if (long) {
      this.stop(false);
      this.happened({ what: "failed", why: "not-registered" });
      setTimeout(() => { if (this.machine.standing === "failed" && this.machine.trouble === "not-registered") void this.start(); }, 15_000);
      return;
    }
    const ua = this.ua;
    setTimeout(() => { if (this.ua === ua && ua?.isConnected()) ua.register(); }, 700);
  }

  private closed(code: number): void {
    if (code === ELSEWHERE) {
      this.away = true;
      this.letGo();
    } else if (code === ENDED) {
      this.stop(true);
      document.dispatchEvent(new CustomEvent("careline:signed-out"));
    }
  }

  // Another page has the telephone. Its call is brought to it by the service.
  private letGo(): void {
    this.stop(false);
    this.happened({ what: "elsewhere" });
  }

  // `say`: hang up and sign off properly; else just fall silent, as a page that is loaded again does.
  private stop(say: boolean): void {
    this.turn++;
    const ua = this.ua;
    const session = this.session;
    this.ua = undefined;
    this.session = undefined;
    this.bell.quiet();
    this.quietCall();
    if (ua) {
      if (!say) {
        session?.connection?.close();
        this.line?.leave();
      }
      ua.stop();
    } else if (say && session && !session.isEnded()) session.terminate();
  }

  // `now`: a customer whom a campaign called is on the line already and waits for nobody's click.
  private rung(session: RTCSession, id: string | null, now: boolean): void {
    const old = this.session;
    if (old && id !== null && this.machine.call?.id === id && (this.expected.get(id) ?? 0) > Date.now()) {
      // The service brings back a call whose old leg died without a word to us.
      old.connection?.close();
      this.over(old);
    }
    if (this.session) {
      session.terminate({ status_code: 486, reason_phrase: "Busy Here" });
      return;
    }
    this.session = session;
    session.on("peerconnection", (event) => this.hear(event.peerconnection));
    session.on("confirmed", () => this.talks(session));
    session.on("accepted", () => this.talks(session));
    session.on("ended", () => this.over(session));
    session.on("failed", () => this.over(session));
    this.happened({ what: "rings", id });
    const own = id !== null && (this.expected.get(id) ?? 0) > Date.now();
    if (own || now || this.key?.auto_answer) {
      if (id !== null) this.expected.delete(id);
      if (now && !own) this.bell.tick();
      void this.answer().catch(() => undefined);
      return;
    }
    this.bellBlocked = !this.bell.ring();
  }

  private hear(connection: RTCPeerConnection): void {
    connection.addEventListener("track", (event) => {
      this.audio.srcObject = event.streams[0] ?? new MediaStream([event.track]);
      void this.audio.play().catch(() => undefined);
    });
  }

  private talks(session: RTCSession): void {
    if (this.session !== session || this.machine.call?.phase === "talking") return;
    this.happened({ what: "talks" });
    const watch = new Watch();
    clearInterval(this.looking);
    this.looking = window.setInterval(() => {
      const connection = session.connection;
      if (!connection || connection.connectionState === "closed") return;
      void connection.getStats().then((report) => {
        if (this.session === session) this.happened({ what: "measured", ...watch.see(sampleOf(report, performance.now())) });
      });
    }, 1000);
  }

  private over(session: RTCSession): void {
    if (this.session !== session) return;
    this.session = undefined;
    this.bell.quiet();
    this.quietCall();
    this.happened({ what: "ended" });
  }

  private quietCall(): void {
    clearInterval(this.looking);
    endStream(this.mine);
    this.mine = null;
    this.audio.srcObject = null;
  }

  // Done before the first question, so that no answer to it is missed.
  private async watchMicrophones(): Promise<void> {
    const { signal } = this.life;
    const changed = (): void => {
      this.microphones++;
      if (this.machine.trouble !== "not-registered") this.again();
    };
    navigator.mediaDevices.addEventListener("devicechange", changed, { signal });
    try {
      const status = await navigator.permissions.query({ name: "microphone" as PermissionName });
      status.addEventListener("change", changed, { signal });
    } catch { /* a browser that does not tell: the button is there */ }
  }

  // Another microphone in the middle of a call: the other side hears no gap.
  private readonly deviceChanged = (event: globalThis.Event): void => {
    if ((event as CustomEvent<string>).detail !== "microphone" || !this.connection || !this.mine) return;
    void microphone().then(async (fresh) => {
      const track = fresh.getAudioTracks()[0];
      const sender = this.connection?.getSenders().find((one) => one.track?.kind === "audio");
      if (!track || !sender) { endStream(fresh); return; }
      track.enabled = !this.state.muted;
      await sender.replaceTrack(track);
      endStream(this.mine);
      this.mine = fresh;
    }).catch(() => choosePrevious());
  };

  // For those who must know that the page has asked who waits for it.
  settled(): Promise<void> {
    return this.answers;
  }
}

function choosePrevious(): void {
  // The chosen one cannot be had: the call goes on with the one before.
  console.warn("microphone not changed", chosen("microphone"));
}

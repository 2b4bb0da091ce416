// Microphone, loudspeaker and bell: which devices, remembered in this browser, changed while one talks.
import type { Trouble } from "./port";

export type Device = "microphone" | "speaker" | "ringer";

const KEPT = "careline.phone.devices";
type Chosen = Partial<Record<Device, string>>;

export function chosen(device: Device): string {
  try {
    return (JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Chosen)[device] ?? "";
  } catch {
    return "";
  }
}

export function choose(device: Device, id: string): void {
  const all: Chosen = Object.fromEntries(DEVICES.map((one) => [one, chosen(one)]));
  localStorage.setItem(KEPT, JSON.stringify({ ...all, [device]: id }));
  document.dispatchEvent(new CustomEvent("careline:device", { detail: device }));
}

export const DEVICES: readonly Device[] = ["microphone", "speaker", "ringer"];

// What can be chosen; names are empty until the microphone was allowed once.
export async function devices(): Promise<Record<Device, MediaDeviceInfo[]>> {
  const all = await navigator.mediaDevices.enumerateDevices();
  const inputs = all.filter((one) => one.kind === "audioinput");
  const outputs = all.filter((one) => one.kind === "audiooutput");
  return { microphone: inputs, speaker: outputs, ringer: outputs };
}

export class NoMicrophone extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble);
  }
}

// The microphone's sound. Raises NoMicrophone. A remembered one that is unplugged gives way to any other.
export async function microphone(): Promise<MediaStream> {
  if (!window.isSecureContext || !("mediaDevices" in navigator)) throw new NoMicrophone("insecure-page");
  const wanted = chosen("microphone");
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: wanted ? { ...audio, deviceId: { exact: wanted } } : audio });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (wanted && (name === "OverconstrainedError" || name === "NotFoundError")) {
      try {
        return await navigator.mediaDevices.getUserMedia({ audio });
      } catch (again) {
        throw new NoMicrophone(troubleOf(again));
      }
    }
    throw new NoMicrophone(troubleOf(error));
  }
}

// In the words of the Media Capture specification, section 10.2.
export function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "microphone-refused";
  if (name === "NotReadableError" || name === "AbortError") return "microphone-taken";
  return "no-microphone";
}

export function endStream(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

// An element that plays into a chosen device and follows when another one is chosen.
export function player(device: Device): HTMLAudioElement {
  const audio = new Audio();
  audio.autoplay = true;
  const follow = (): void => {
    // Firefox before 116 and some Safaris play into the system's own device.
    if ("setSinkId" in audio) void audio.setSinkId(chosen(device)).catch(() => audio.setSinkId("").catch(() => undefined));
  };
  follow();
  document.addEventListener("careline:device", (event) => { if ((event as CustomEvent<Device>).detail === device) follow(); });
  return audio;
}

let shared: AudioContext | undefined;

// One context for the page. Browsers start it only after the person has done something on the page.
export function context(): AudioContext {
  if (!shared) {
    const made = new AudioContext();
    shared = made;
    const wake = (): void => { if (made.state === "suspended") void made.resume(); };
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, wake, { capture: true });
  }
  return shared;
}

// China's ringing tone: 450 Hz, one second of five (GF 002-9002.1).
const TONE = 450;
const RINGS = 1;
const CYCLE = 5;

// The bell, in its own device. It is made of a tone, so there is no file to wait for.
export class Bell {
  private audio: HTMLAudioElement | undefined;
  private timer = 0;
  private tone: OscillatorNode | undefined;

  // A short tone: somebody is on the line already.
  tick(): void {
    this.ring();
    setTimeout(() => this.quiet(), 300);
  }

  // False: the browser does not let it ring yet, because nobody has clicked on the page.
  ring(): boolean {
    this.quiet();
    const sound = context();
    const out = sound.createMediaStreamDestination();
    const level = sound.createGain();
    level.gain.value = 0;
    level.connect(out);
    const tone = sound.createOscillator();
    tone.frequency.value = TONE;
    tone.connect(level);
    tone.start();
    this.tone = tone;
    const once = (): void => {
      const now = sound.currentTime;
      level.gain.cancelScheduledValues(now);
      level.gain.setValueAtTime(0, now);
      level.gain.linearRampToValueAtTime(0.25, now + 0.03);
      level.gain.setValueAtTime(0.25, now + RINGS);
      level.gain.linearRampToValueAtTime(0, now + RINGS + 0.05);
    };
    once();
    this.timer = window.setInterval(once, CYCLE * 1000);
    this.audio ??= player("ringer");
    this.audio.srcObject = out.stream;
    void this.audio.play().catch(() => undefined);
    return sound.state === "running";
  }

  get rings(): boolean {
    return this.timer !== 0;
  }

  quiet(): void {
    clearInterval(this.timer);
    this.timer = 0;
    this.tone?.stop();
    this.tone = undefined;
    if (this.audio) this.audio.srcObject = null;
  }
}

// How loud a stream is, 0 to 1, for a meter that moves as one speaks.
export class Meter {
  private readonly node: AnalyserNode;
  private readonly source: MediaStreamAudioSourceNode;
  private readonly values: Float32Array<ArrayBuffer>;

  constructor(stream: MediaStream) {
    this.source = context().createMediaStreamSource(stream);
    this.node = context().createAnalyser();
    this.node.fftSize = 1024;
    this.values = new Float32Array(this.node.fftSize);
    this.source.connect(this.node);
  }

  // Decibels of the last 20 ms on a scale from -60 (0) to 0 dBFS (1).
  level(): number {
    this.node.getFloatTimeDomainData(this.values);
    let sum = 0;
    for (const value of this.values) sum += value * value;
    const rms = Math.sqrt(sum / this.values.length);
    return rms === 0 ? 0 : Math.min(1, Math.max(0, 1 + Math.log10(rms) / 3));
  }

  end(): void {
    this.source.disconnect();
  }
}

// One hears oneself a second later, in the chosen loudspeaker. Nothing leaves the machine.
export class Echo {
  private readonly audio = player("speaker");
  private readonly source: MediaStreamAudioSourceNode;

  constructor(stream: MediaStream) {
    const out = context().createMediaStreamDestination();
    const late = context().createDelay(2);
    late.delayTime.value = 1;
    this.source = context().createMediaStreamSource(stream);
    this.source.connect(late).connect(out);
    this.audio.srcObject = out.stream;
    void this.audio.play().catch(() => undefined);
  }

  end(): void {
    this.source.disconnect();
    this.audio.srcObject = null;
  }
}

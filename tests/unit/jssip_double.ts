// JsSIP as the softphone uses it: remembers who was started; a test says what happens.
type Listener = (event: never) => void;

class Emitter {
  private readonly listeners = new Map<string, Listener[]>();
  on(name: string, listener: Listener): void {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
  }
  emit(name: string, event: unknown = {}): void {
    for (const tell of this.listeners.get(name) ?? []) tell(event as never);
  }
}

export class UA extends Emitter {
  static readonly started: UA[] = [];
  stopped = false;
  start(): void { UA.started.push(this); }
  stop(): void { this.stopped = true; }
  register(): void {}
  isConnected(): boolean { return true; }
}

export class Session extends Emitter {
  ended = false;
  answered: MediaStream | undefined;
  // What the page says with: one sender once it has answered.
  readonly senders: { track: MediaStreamTrack; replaceTrack(track: MediaStreamTrack): Promise<void> }[] = [];
  readonly connection = { close(): void {}, getSenders: () => this.senders };
  isEnded(): boolean { return this.ended; }
  isEstablished(): boolean { return this.answered !== undefined; }
  answer(options: { mediaStream: MediaStream }): void {
    this.answered = options.mediaStream;
    const track = options.mediaStream.getAudioTracks()[0];
    if (!track) return;
    const sender = { track, replaceTrack: (fresh: MediaStreamTrack): Promise<void> => { sender.track = fresh; return Promise.resolve(); } };
    this.senders.push(sender);
    this.emit("confirmed");
  }
  mute(): void {}
  unmute(): void {}
  terminate(): void { this.end(); }
  end(): void {
    this.ended = true;
    this.emit("ended");
  }
}

// What the WireGuard core wants done, as values: one to one the peer and datagram methods of the data plane.
// The shell's driver takes them from the device after each input and applies them in order.

import type { Endpoint, Keypair, Path, PeerId, Prefix } from '../core/types.js';

export type Effect =
  | { readonly type: 'set-public-key'; readonly publicKey: Uint8Array | null }
  | { readonly type: 'set-cookie-secret'; readonly secret: Uint8Array }
  | { readonly type: 'add-peer'; readonly peer: PeerId }
  | { readonly type: 'remove-peer'; readonly peer: PeerId }
  | { readonly type: 'set-endpoint'; readonly peer: PeerId; readonly endpoint: Endpoint }
  | {
      readonly type: 'update-allowed-ips';
      readonly peer: PeerId;
      readonly added: readonly Prefix[];
      readonly removed: readonly Prefix[];
    }
  | { readonly type: 'install-keypair'; readonly peer: PeerId; readonly keypair: Keypair }
  | { readonly type: 'clear-keypairs'; readonly peer: PeerId }
  | { readonly type: 'drop-staged'; readonly peer: PeerId }
  | { readonly type: 'send-keepalive'; readonly peer: PeerId }
  | { readonly type: 'clear-source'; readonly peer: PeerId }
  | { readonly type: 'clear-unanswered'; readonly peer: PeerId }
  | { readonly type: 'send-handshake'; readonly peer: PeerId; readonly bytes: Uint8Array }
  | {
      readonly type: 'handshake-received';
      readonly peer: PeerId;
      readonly path: Path;
      /** Bytes of the message. */
      readonly length: number;
    }
  | { readonly type: 'send-datagram'; readonly path: Path; readonly bytes: Uint8Array };

/** Effects in the order in which they are to be applied. */
export class EffectList {
  #effects: Effect[] = [];
  /** Prefixes of the last effect while it only adds: a long list set one by one becomes one effect. */
  #lastAdded: { readonly peer: PeerId; readonly prefixes: Prefix[] } | null = null;
  #installed: Keypair[] = [];
  #takenKeypairs: Keypair[] = [];

  push(effect: Effect): void {
    this.#effects.push(effect);
    this.#lastAdded = null;
    if (effect.type === 'install-keypair') this.#installed.push(effect.keypair);
  }

  addAllowedIps(peer: PeerId, prefixes: readonly Prefix[]): void {
    if (this.#lastAdded?.peer === peer) {
      for (const prefix of prefixes) this.#lastAdded.prefixes.push(prefix);
      return;
    }
    const added = [...prefixes];
    this.push({ type: 'update-allowed-ips', peer, added, removed: [] });
    this.#lastAdded = { peer, prefixes: added };
  }

  /** Empties the list. The keys in what was taken before are wiped now: it has been applied. */
  take(): readonly Effect[] {
    for (const { sendKey, receiveKey } of this.#takenKeypairs) {
      sendKey.fill(0);
      receiveKey.fill(0);
    }
    this.#takenKeypairs = this.#installed;
    this.#installed = [];
    this.#lastAdded = null;
    const taken = this.#effects;
    this.#effects = [];
    return taken;
  }
}

// A WireGuard implementation with wireguard-go's command line, running in a namespace, and `wg` on it.
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { addAddress, type Namespace, type Network } from './harness.js';
import { generateKeyPair, type KeyPair } from './keys.js';
import { uniqueInterface } from './names.js';
import { type Background, type Completed, until } from './process.js';

/** Path of the implementation under test. */
export const IMPLEMENTATION = resolve(process.env.WEFT_TEST_IMPL ?? 'bin/weft-wg');

export function socketPath(interfaceName: string): string {
  return `/var/run/wireguard/${interfaceName}.sock`;
}

export class WireGuardNode {
  private constructor(
    readonly net: Network,
    readonly namespace: Namespace,
    readonly interfaceName: string,
    readonly process: Background,
    readonly keys: KeyPair,
  ) {}

  /** Starts it in the foreground and waits until its socket accepts. It has no key yet and is down. */
  static async start(
    net: Network,
    namespace: Namespace,
    implementation: string = IMPLEMENTATION,
    keys: KeyPair = generateKeyPair(),
  ): Promise<WireGuardNode> {
    const name = uniqueInterface();
    const child = net.spawn(namespace, [implementation, '-f', name], { LOG_LEVEL: 'verbose' });
    await until(
      `${implementation} answers on ${socketPath(name)}`,
      async () => {
        if (child.exitCode !== null) return true;
        return existsSync(socketPath(name)) && (await accepts(socketPath(name)));
      },
      15_000,
    );
    if (child.exitCode !== null) throw new Error(`${implementation} ended: ${child.output}`);
    return new WireGuardNode(net, namespace, name, child, keys);
  }

  get publicKey(): string {
    return this.keys.publicKey;
  }

  /** `wg set` on this interface; throws if it fails. */
  async set(...args: readonly string[]): Promise<void> {
    await this.namespace.check(['wg', 'set', this.interfaceName, ...args]);
  }

  /** `wg set` whatever its status. */
  trySet(...args: readonly string[]): Promise<Completed> {
    return this.namespace.run(['wg', 'set', this.interfaceName, ...args]);
  }

  setPrivateKey(key: string): Promise<void> {
    return this.set('private-key', this.net.file(`${key}\n`));
  }

  setPresharedKey(peer: string, key: string): Promise<void> {
    return this.set('peer', peer, 'preshared-key', this.net.file(`${key}\n`));
  }

  /** `wg setconf` with this text. */
  async setConfiguration(text: string): Promise<void> {
    const path = this.net.file(text);
    await this.namespace.check(['wg', 'setconf', this.interfaceName, path], { timeoutMs: 60_000 });
  }

  /** `wg show IF FIELD`, without the final newline. */
  async show(field: string): Promise<string> {
    return (await this.namespace.check(['wg', 'show', this.interfaceName, field])).trimEnd();
  }

  /** The words that `wg show IF FIELD` gives for a peer; empty if it does not list the peer. */
  async showPeer(field: string, peer: string): Promise<string[]> {
    for (const line of (await this.show(field)).split('\n')) {
      const [key, ...words] = line.split(/[\t ]/);
      if (key === peer) return words;
    }
    return [];
  }

  async endpointOf(peer: string): Promise<string> {
    return (await this.showPeer('endpoints', peer))[0] ?? '';
  }

  async transfer(peer: string): Promise<{ rx: number; tx: number }> {
    const [rx, tx] = await this.showPeer('transfer', peer);
    return { rx: Number(rx), tx: Number(tx) };
  }

  /** Seconds since 1970 of the last handshake; 0 = none. */
  async latestHandshake(peer: string): Promise<number> {
    return Number((await this.showPeer('latest-handshakes', peer))[0] ?? 0);
  }

  /** Adds addresses (with prefix lengths) to the interface and brings it up. */
  async up(...addresses: readonly string[]): Promise<void> {
    for (const address of addresses) await addAddress(this.namespace, this.interfaceName, address);
    await this.namespace.ip(`link set ${this.interfaceName} up`);
  }

  /** Sends `request` over the UAPI socket and returns all until `answers` blank lines or the end. */
  uapi(request: string, answers = 1): Promise<string> {
    return uapi(socketPath(this.interfaceName), request, answers);
  }
}

/** What the server writes until `answers` answers are complete or it closes the connection. */
export function uapi(path: string, request: string, answers = 1): Promise<string> {
  return new Promise((resolvePromise, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(request));
    const finish = () => {
      socket.destroy();
      resolvePromise(text);
    };
    socket.setTimeout(5_000, () => {
      socket.destroy();
      reject(new Error(`UAPI: no complete answer to ${JSON.stringify(request)}: ${text}`));
    });
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.split('\n\n').length > answers) finish();
    });
    socket.on('close', finish);
    socket.on('error', reject);
  });
}

/** True if something accepts connections on this UNIX socket. */
export function accepts(path: string): Promise<boolean> {
  return new Promise((resolvePromise) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolvePromise(true);
    });
    socket.once('error', () => resolvePromise(false));
  });
}

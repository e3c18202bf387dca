// Entering a mesh with an invite: runs the joining side (mesh/joiner.ts) on sockets of its own, before there is a node.

import { createSocket, type Socket } from 'node:dgram';
import { formatAddress, formatEndpoint, parseAddress } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import type { Path } from '../core/types.js';
import { type Joined, Joiner, type JoinerEnvironment } from '../mesh/joiner.js';

/** For so long an exchange goes on without a word. */
const PATIENCE_MS = 2_000;

/** What the refusals of an issuer mean to the person who joins. */
const REASONS: Readonly<Record<string, string>> = {
  'bad-answer': 'the inviting node answered something that makes no sense: update both',
  'unknown-invite': 'the inviting node does not know this invite: it was cancelled, or made anew',
  expired: 'the invite has expired: ask for another',
  'used-up': 'the invite was used already: ask for another',
  'bad-name': 'the invite is for another name: ask which, and give it with --name',
  revoked:
    'an authority revoked this host’s identity, and that holds for good: remove identity.key from the state directory to join as a new node',
  'name-taken': 'another node has this name: choose another with --name',
  'cannot-issue': 'the inviting node may not certify this (any more): ask for another invite',
};

/**
 * Asks the issuer for a certificate.
 * @param onWaiting called with where it is asked if it takes long
 * @throws WeftError EJOIN that says why not
 */
export async function joinMesh(
  env: JoinerEnvironment,
  onWaiting: (where: string) => void,
): Promise<Joined> {
  const sockets = await openSockets();
  const where = env.invite.endpoints.map((each) => formatEndpoint(each, String)).join(', ');
  const timer = setTimeout(() => onWaiting(where), PATIENCE_MS);
  try {
    return await new Exchange(new Joiner(env), sockets, where).run();
  } finally {
    clearTimeout(timer);
    for (const socket of [sockets.v4, sockets.v6]) socket?.close();
  }
}

interface Sockets {
  readonly v4: Socket | null;
  readonly v6: Socket | null;
}

/** A host may have one family only. */
async function openSockets(): Promise<Sockets> {
  const [v4, v6] = await Promise.all([openSocket('udp4'), openSocket('udp6')]);
  if (v4 !== null || v6 !== null) return { v4, v6 };
  throw new WeftError('EJOIN', 'cannot open a UDP socket');
}

function openSocket(type: 'udp4' | 'udp6'): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.once('error', () => {
      socket.close();
      resolve(null);
    });
    socket.bind(0, () => {
      socket.removeAllListeners('error');
      // what the network says of a datagram that did not arrive: it is sent again
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** The joiner, driven by sockets and a timer until it has a result. */
class Exchange {
  readonly #joiner: Joiner;
  readonly #sockets: Sockets;
  /** Where the issuer is asked, for people. */
  readonly #where: string;
  #timer: NodeJS.Timeout | undefined;
  #settle: { resolve(joined: Joined): void; reject(error: WeftError): void } | null = null;

  constructor(joiner: Joiner, sockets: Sockets, where: string) {
    this.#joiner = joiner;
    this.#where = where;
    this.#sockets = sockets;
  }

  run(): Promise<Joined> {
    for (const socket of [this.#sockets.v4, this.#sockets.v6]) {
      socket?.on('message', (bytes, { address, port }) => {
        const parsed = parseAddress(address.replace(/%.*/, ''));
        if (parsed === null) return;
        const remote = { address: parsed, port, scopeId: 0 };
        const path = { remote, local: null, interfaceIndex: 0 };
        this.#perform((nowMs) => this.#joiner.receive(nowMs, { path, bytes }));
      });
    }
    return new Promise<Joined>((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#perform((nowMs) => {
        this.#joiner.start(nowMs);
        this.#joiner.tick(nowMs);
      });
    }).finally(() => clearTimeout(this.#timer));
  }

  #perform(input: (nowMs: number) => void): void {
    input(performance.now());
    for (const effect of this.#joiner.takeEffects()) {
      if (effect.type === 'send-datagram') {
        this.#send(effect.path, effect.bytes);
      } else if (effect.result.ok) {
        this.#settle?.resolve(effect.result);
      } else {
        const { reason } = effect.result;
        this.#settle?.reject(new WeftError('EJOIN', this.#explain(reason)));
      }
    }
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    const dueMs = this.#joiner.nextTickMs(nowMs);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => this.#perform((tickMs) => this.#joiner.tick(tickMs)),
      Math.max(1, Math.ceil(dueMs - nowMs)),
    );
  }

  #explain(reason: string): string {
    if (Object.hasOwn(REASONS, reason)) return REASONS[reason] ?? '';
    if (reason !== 'timeout') return `refused: ${reason}`;
    return `the inviting node did not answer at ${this.#where}: is it up, and is that UDP port open? If it has another address for this host: weft invite --endpoint`;
  }

  #send({ remote }: Path, bytes: Uint8Array): void {
    const socket = remote.address.length === 4 ? this.#sockets.v4 : this.#sockets.v6;
    socket?.send(bytes, remote.port, formatAddress(remote.address), () => {});
  }
}

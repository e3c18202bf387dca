// A machine that has an invite, its own or a stolen one, and joins by it.

import type { Datagram, Endpoint } from '../../src/core/types.js';
import { parseInvite } from '../../src/mesh/invite.js';
import { Joiner } from '../../src/mesh/joiner.js';
import { simulationCrypto as crypto } from './crypto.js';
import type { Host } from './network.js';
import type { SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';

const TICK_MS = 50;
const TIMEOUT_MS = 60_000;

export class JoiningMachine implements Host {
  readonly endpoint: Endpoint;
  /** Or why not; null: not decided yet. */
  outcome: string | null = null;
  readonly #simulation: Simulation;
  readonly #joiner: Joiner;

  /** In the place of a machine that is never started. */
  constructor(simulation: Simulation, node: SimulatedNode, token: string) {
    const { identity, endpoint, random, index } = node;
    const invite = parseInvite(crypto, token);
    const joining = { crypto, random, identity, invite, name: `guest${index}` };
    this.endpoint = endpoint;
    this.#simulation = simulation;
    this.#joiner = new Joiner({ ...joining, timeoutMs: TIMEOUT_MS });
    this.#joiner.start(simulation.nowMs);
    simulation.network.attach(this);
    this.#tick();
  }

  deliver(datagram: Datagram): void {
    this.#joiner.receive(this.#simulation.nowMs, datagram);
    this.#carryOut();
  }

  #tick(): void {
    this.#joiner.tick(this.#simulation.nowMs);
    this.#carryOut();
    if (this.outcome === null) this.#simulation.after(TICK_MS, () => this.#tick());
  }

  #carryOut(): void {
    for (const effect of this.#joiner.takeEffects()) {
      if (effect.type === 'join-finished') {
        this.outcome = effect.result.ok ? 'joined' : effect.result.reason;
      } else this.#simulation.network.send(this, effect.path.remote, effect.bytes);
    }
  }
}

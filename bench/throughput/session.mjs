/** One candidate, running at both ends of a fresh wire: started, configured, watched, stopped. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './candidates.mjs';
import { Child, run, scratch, succeeds, waitFor } from './command.mjs';
import { containerCommand, releaseContainer } from './container.mjs';
import { BenchError } from './errors.mjs';
import { memory, processTree } from './processes.mjs';
import { createTopology, destroyTopology, inside, WIRE_PORT } from './topology.mjs';
import { endTurn, takeTurn } from './turn.mjs';

const SOCKET_DIRECTORY = '/var/run/wireguard';
const READY_TIMEOUT_MS = 10_000;
const MEMORY_INTERVAL_MS = 250;
export const TUNNEL_MTU = 1420;

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const base64 = (url) => Buffer.from(url, 'base64url').toString('base64');
  return {
    private: base64(privateKey.export({ format: 'jwk' }).d),
    public: base64(publicKey.export({ format: 'jwk' }).x),
  };
}

function networkNamespace(pid) {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

export class Session {
  /**
   * @param {import('./candidates.mjs').Candidate} candidate
   * @param {'offloads' | 'wire' | 'wire-gro'} mode
   * @param {{lxc: boolean}} options lxc: start the processes in LXC containers
   */
  constructor(candidate, mode, options) {
    this.candidate = candidate;
    this.mode = mode;
    this.lxc = options.lxc;
    /** @type {Child[]} */
    this.processes = [];
    /** Highest resident memory of one end that was seen under load, MB. */
    this.memoryUnderLoadMb = 0;
  }

  async start() {
    await takeTurn();
    const { a, b } = await createTopology(this.mode);
    this.a = a;
    this.b = b;
    if (this.candidate.kind === 'plain') {
      a.target = a.wireAddress;
      b.target = b.wireAddress;
    } else {
      await this.#startBoth();
      if (this.candidate.kind !== 'script') await this.#configure();
      for (const end of [a, b]) await this.#address(end);
    }
    await this.#firstPing();
  }

  /**
   * Pids of each end: of all that was started, what lives in its namespace. So neither a
   * container's monitor nor a script counts as the candidate.
   */
  pidsByEnd() {
    const all = this.processes.flatMap((child) => processTree(child.pid));
    return [this.a, this.b].map(({ netns }) => {
      const namespace = `net:[${statSync(`/run/netns/${netns}`).ino}]`;
      return all.filter((pid) => networkNamespace(pid) === namespace);
    });
  }

  pids() {
    return this.pidsByEnd().flat();
  }

  /** Watches the resident memory until the returned function is called. */
  watchMemory() {
    if (this.processes.length === 0) return () => {};
    const ends = this.pidsByEnd();
    const look = () => {
      const now = ends.map((pids) => memory(pids).residentMb);
      this.memoryUnderLoadMb = Math.max(this.memoryUnderLoadMb, ...now);
    };
    const timer = setInterval(look, MEMORY_INTERVAL_MS);
    return () => clearInterval(timer);
  }

  /** @throws {BenchError} if a process of the candidate has died */
  checkAlive() {
    for (const child of this.processes) {
      if (child.ended) {
        const how = `${child.status}: ${child.complaint()}`;
        throw new BenchError(`${this.candidate.name} ended by itself: ${how}`);
      }
    }
  }

  async stop() {
    if (this.lxc) for (const end of [this.a, this.b]) if (end) await releaseContainer(end);
    await Promise.all(this.processes.map((child) => child.stop()));
    for (const child of this.processes) child.removeOutput();
    for (const end of [this.a, this.b]) {
      if (end) rmSync(`${SOCKET_DIRECTORY}/${end.interfaceName}.sock`, { force: true });
    }
    await destroyTopology();
    endTurn();
  }

  async #startBoth() {
    const { a, b, candidate } = this;
    for (const end of [a, b]) end.target = end.tunnelAddress;
    if (candidate.kind === 'script') {
      const ends = [a, b].flatMap((end) => [
        end.netns,
        end.interfaceName,
        end.wireAddress,
        end.tunnelAddress,
      ]);
      this.processes.push(new Child([candidate.command, ...ends, `${WIRE_PORT}`]));
    } else {
      for (const end of [a, b]) await this.#startEnd(end);
    }
    for (const end of [a, b]) await this.#interfaceReady(end);
  }

  async #startEnd(end) {
    const { candidate } = this;
    if (candidate.kind === 'kernel') {
      await run(['ip', '-n', end.netns, 'link', 'add', end.interfaceName, 'type', 'wireguard']);
      return;
    }
    const command = candidate.command.replaceAll('{if}', end.interfaceName);
    const argv = this.lxc
      ? await containerCommand(end, command, candidate.env ?? {}, root)
      : inside(end.netns, ['sh', '-c', command]);
    this.processes.push(new Child(argv, { env: candidate.env }));
  }

  async #interfaceReady({ netns, interfaceName }) {
    const { name, kind } = this.candidate;
    const socket = `${SOCKET_DIRECTORY}/${interfaceName}.sock`;
    const link = ['ip', '-n', netns, 'link', 'show', 'dev', interfaceName];
    await waitFor(`${name}: interface ready`, READY_TIMEOUT_MS, async () => {
      this.checkAlive();
      if (kind === 'wireguard' && !existsSync(socket)) return false;
      return succeeds(link);
    });
  }

  async #configure() {
    const keys = { a: newKey(), b: newKey() };
    for (const [self, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const path = join(scratch, `${self}.conf`);
      writeFileSync(
        path,
        `[Interface]\nPrivateKey = ${keys[self].private}\nListenPort = ${WIRE_PORT}\n` +
          `[Peer]\nPublicKey = ${keys[other].public}\n` +
          `AllowedIPs = ${this[other].tunnelAddress}/32\n` +
          `Endpoint = ${this[other].wireAddress}:${WIRE_PORT}\n`,
        { mode: 0o600 },
      );
      const { netns, interfaceName } = this[self];
      await run(inside(netns, ['wg', 'setconf', interfaceName, path]));
    }
  }

  async #address({ netns, interfaceName, tunnelAddress }) {
    await run(['ip', '-n', netns, 'addr', 'add', `${tunnelAddress}/24`, 'dev', interfaceName]);
    await run(['ip', '-n', netns, 'link', 'set', interfaceName, 'mtu', `${TUNNEL_MTU}`, 'up']);
  }

  /** The handshake, outside every measurement. */
  async #firstPing() {
    const ping = inside(this.a.netns, ['ping', '-c', '1', '-W', '1', this.b.target]);
    await waitFor(`${this.candidate.name}: first ping`, READY_TIMEOUT_MS, () => {
      this.checkAlive();
      return succeeds(ping);
    });
  }
}

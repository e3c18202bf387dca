// What the control socket can be asked: each command of a running mesh node. Parameters come from our own command line,
// and are still checked: both may be of different versions.

import { formatAddress, parseEndpoint, parsePrefix } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import type { Endpoint, Prefix } from '../core/types.js';
import type { Member } from '../mesh/types.js';
import type { PathOrder } from './bond-peer.js';
import type { PathsResult } from './bond-status.js';
import type { Asker, Handlers } from './control-server.js';
import type { MeshNode } from './mesh-node.js';
import { memberStatus, nodeStatus, wireGuardDump } from './status.js';
import { resolveZone, wallTime } from './system.js';

type Parameters = Readonly<Record<string, unknown>>;

const MIN_ID_PREFIX = 4;
const MAX_PINGS = 1_000;
const PATH_ORDERS: readonly PathOrder[] = ['pin', 'unpin', 'drain', 'undrain'];

export function createHandlers(node: MeshNode): Handlers {
  return {
    status: () => nodeStatus(node),
    member: (parameters) => memberStatus(node, findMember(node, text(parameters, 'member'))),
    dump: () => wireGuardDump(node),
    ping: (parameters, asker) => ping(node, parameters, asker),
    reload: () => node.reload(),
    // Answered first: the answer comes over the socket that goes away.
    down: () => {
      setImmediate(() => void node.down());
      return null;
    },
    log: (parameters, asker) => log(node, parameters, asker),
    invite: (parameters) => invite(node, parameters),
    invites: () => requireInvites(node).list(wallTime().seconds),
    'cancel-invite': (parameters) => cancelInvite(node, text(parameters, 'id')),
    revoke: (parameters) => revoke(node, text(parameters, 'revocation')),
    counters: () => counters(node),
    paths: (parameters) => paths(node, parameters),
    'path-order': (parameters) => orderPath(node, parameters),
  };
}

/** By name, by an address, or by the first digits of its id. */
function findMember(node: MeshNode, wanted: string): Member {
  const self = node.mesh.self();
  const members = [...node.mesh.members()].filter(({ id }) => id !== self.id);
  const lower = wanted.toLowerCase();
  const matches = members.filter(
    ({ id, record }) =>
      record.name === lower ||
      record.addresses.some((address) => formatAddress(address) === lower) ||
      (lower.length >= MIN_ID_PREFIX && id.startsWith(lower)),
  );
  const [found, other] = matches;
  if (found === undefined) {
    if (
      self.name === lower ||
      self.id === lower ||
      self.addresses.some((each) => formatAddress(each) === lower)
    ) {
      throw new WeftError('ENOMEMBER', `${wanted} is this node itself: see weft show`);
    }
    throw new WeftError('ENOMEMBER', `no member '${wanted}': weft status lists them`);
  }
  if (other !== undefined) {
    const ids = matches.map(({ id }) => id.slice(0, 12)).join(', ');
    throw new WeftError('EAMBIGUOUS', `'${wanted}' is more than one member: give an id (${ids})`);
  }
  return found;
}

/** All bonds, or that of one member. */
function paths(node: MeshNode, parameters: Parameters): PathsResult {
  const uplinks = node.bonds.uplinkReports();
  if (parameters.member === undefined) {
    return { uplinks, bonds: node.bonds.reports(), reason: null };
  }
  const { id } = findMember(node, text(parameters, 'member'));
  const report = node.bonds.report(id);
  if (report !== null) return { uplinks, bonds: [report], reason: null };
  return { uplinks, bonds: [], reason: node.bonds.whyNot(id) ?? 'it has just begun' };
}

function orderPath(node: MeshNode, parameters: Parameters): null {
  const { id, record } = findMember(node, text(parameters, 'member'));
  const order = PATH_ORDERS.find((each) => each === parameters.order) ?? refuse('order');
  const path = parameters.path === undefined ? null : text(parameters, 'path');
  if (path === null && (order === 'pin' || order === 'drain')) refuse('path');
  node.bonds.order({ id, name: record.name }, order, path);
  return null;
}

/** Sends an event a probe; the result counts them. */
async function ping(node: MeshNode, parameters: Parameters, asker: Asker): Promise<unknown> {
  const member = findMember(node, text(parameters, 'member'));
  const count = integer(parameters, 'count', 1, MAX_PINGS);
  const intervalMs = integer(parameters, 'intervalMs', 0, 3_600_000);
  let received = 0;
  let gone = false;
  void asker.gone.then(() => {
    gone = true;
  });
  for (let sequence = 1; sequence <= count && !gone; sequence++) {
    const rttMs = await node.ping(member.id);
    if (rttMs !== null) received++;
    const status = memberStatus(node, findMember(node, member.id));
    asker.send({ sequence, rttMs, ...pick(status) });
    if (sequence < count) await Promise.race([delay(intervalMs), asker.gone]);
  }
  return { name: member.record.name, sent: count, received };
}

function pick({ name, addresses, endpoint, path, state }: ReturnType<typeof memberStatus>) {
  return { name, addresses, endpoint, path, state };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function log(node: MeshNode, parameters: Parameters, asker: Asker): Promise<null> {
  for (const line of node.log.last(integer(parameters, 'lines', 0, 100_000))) asker.send(line);
  if (parameters.follow !== true) return null;
  const end = node.log.follow((line) => asker.send(line));
  await asker.gone;
  end();
  return null;
}

function requireInvites(node: MeshNode): NonNullable<MeshNode['invites']> {
  if (node.invites !== null) return node.invites;
  throw new WeftError(
    'ENOAUTHORITY',
    'this node cannot sign certificates: run weft invite where authority.key is, or sign a certificate with --can-issue for this node. Without any authority: weft trust add',
  );
}

function invite(node: MeshNode, parameters: Parameters): unknown {
  requireInvites(node);
  const given = strings(parameters, 'endpoints').map((each) => parsed(each, endpointOf));
  const endpoints = given.length > 0 ? given : node.mesh.self().endpoints;
  if (endpoints.length === 0) {
    throw new WeftError(
      'ENOENDPOINT',
      'this node has no address that others could reach: give one with --endpoint ADDRESS:PORT',
    );
  }
  const name = parameters.name === undefined ? undefined : text(parameters, 'name');
  const token = node.issueInvite({
    endpoints,
    lifetimeSeconds: integer(parameters, 'lifetimeSeconds', 1, 10 * 366 * 86_400),
    uses: integer(parameters, 'uses', 1, 1_024),
    ...(name !== undefined && { name }),
    groups: strings(parameters, 'groups'),
    routes: strings(parameters, 'routes').map((each) => parsed(each, prefixOf)),
    certificateLifetimeSeconds: integer(parameters, 'certificateSeconds', 1, 100 * 366 * 86_400),
  });
  return { token };
}

const endpointOf = (each: string): Endpoint | null => parseEndpoint(each, resolveZone);
const prefixOf = (each: string): Prefix | null => parsePrefix(each);

function cancelInvite(node: MeshNode, id: string): unknown {
  const book = requireInvites(node);
  const matches = book.list(wallTime().seconds).filter((each) => each.id.startsWith(id));
  const [found, other] = matches;
  if (found === undefined || other !== undefined) {
    const what = other === undefined ? 'no invite' : 'more than one invite';
    throw new WeftError('ENOINVITE', `${what} '${id}': weft invite --list shows them`);
  }
  node.cancelInvite(found.id);
  return { id: found.id };
}

function revoke(node: MeshNode, base64: string): unknown {
  const outcome = node.addRevocation(new Uint8Array(Buffer.from(base64, 'base64')));
  if (outcome === 'new' || outcome === 'known') return { outcome };
  throw new WeftError(
    'EREVOCATION',
    outcome === 'foreign'
      ? 'its authority is not trusted here: weft trust add it first'
      : 'the revocation is malformed or forged',
  );
}

function counters(node: MeshNode): unknown {
  const { dataPlane, device } = node.node.driver;
  const numbers = (counts: Readonly<Record<string, bigint>>) =>
    Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Number(count)]));
  return {
    drops: numbers(dataPlane.drops()),
    engine: numbers(dataPlane.engineCounters()),
    device: device.counters(),
    mesh: node.mesh.counters(),
    trust: node.trust.counters(),
    invites: node.invites?.counters() ?? {},
    memory: process.memoryUsage(),
    cpu: process.cpuUsage(),
  };
}

// --- Parameters ---

function refuse(name: string): never {
  throw new WeftError('EREQUEST', `invalid ${name}: the command and the node differ in version`);
}

function text(parameters: Parameters, name: string): string {
  const value = parameters[name];
  return typeof value === 'string' ? value : refuse(name);
}

function integer(parameters: Parameters, name: string, min: number, max: number): number {
  const value = parameters[name];
  const valid = Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
  return valid ? Number(value) : refuse(name);
}

function strings(parameters: Parameters, name: string): string[] {
  const value = parameters[name] ?? [];
  const valid = Array.isArray(value) && value.every((item) => typeof item === 'string');
  return valid ? (value as string[]) : refuse(name);
}

function parsed<T>(value: string, parse: (value: string) => T | null): T {
  return parse(value) ?? refuse(value);
}

// weft authority: certificates and their revocation.

import { formatAddress, formatPrefix, parseAddress } from '../../core/address.js';
import { WeftError } from '../../core/errors.js';
import { fromHex, toHex } from '../../core/hex.js';
import { decodeCertificate, isNamePattern, SERIAL_BYTES } from '../../mesh/certificate.js';
import { createIdentity, parseNodeId } from '../../mesh/identity.js';
import type { InviteSummary } from '../../mesh/invite.js';
import { isNodeName } from '../../mesh/record.js';
import type { RevocationSubject } from '../../mesh/revocation.js';
import type { NodeId } from '../../mesh/types.js';
import {
  createAuthority,
  isNodeRevoked,
  issueCertificate,
  issuedCertificates,
  issueRevocation,
  lastCertificate,
  openSigner,
  renewedStart,
  revokedHere,
  type Signer,
} from '../../node/authority.js';
import { systemRandom } from '../../node/crypto.js';
import { createMeshCrypto } from '../../node/mesh-crypto.js';
import { StateStore } from '../../node/state-store.js';
import type { NodeStatus } from '../../node/status.js';
import { wallTime } from '../../node/system.js';
import { type Command, type Context, readInput, usageError } from '../command.js';
import { table } from '../format.js';
import { durationOption, routeOption } from './init.js';

export const authority: Command = {
  help: `Usage: weft authority init [--name NAME] [--force]
       weft authority sign ID --name NAME [OPTIONS]
       weft authority renew NODE [--lifetime TIME]
       weft authority install - | FILE
       weft authority revoke NODE [--reason TEXT]
       weft authority ls

An authority certifies nodes: every node that trusts its key accepts them. weft init makes one; these commands are for
what invites do not cover.

init     makes an authority here (authority.key) and trusts it; other nodes trust it with weft trust add
sign     prints a certificate for the node with this ID (weft show), to be installed there
  --name NAME         the node's name
  --group GROUP       repeatable
  --route PREFIX      a network it may carry to; repeatable
  --address ADDRESS   a mesh address that is its own, whatever others claim; one of each family
  --lifetime TIME     default 1y
  --can-issue PATTERN it may issue certificates, and invites, for names like this (such as 'lab-*' or '*'), with
                      these groups, and for these routes
renew    prints what was certified for a node last, by hand or by invite, under its name or id, with a new end: to be installed
         there as well
install  makes a certificate this node's own; a running node tells the others at once
revoke   takes back all that was certified for a node, by its name, id, or the serial number of one certificate (32 digits).
         A running node passes it on; every member that hears of it drops the node
ls       certificates signed here, and joins by invite
`,
  options: {
    name: { type: 'string' },
    group: { type: 'string', multiple: true },
    route: { type: 'string', multiple: true },
    address: { type: 'string', multiple: true },
    lifetime: { type: 'string' },
    'can-issue': { type: 'string', multiple: true },
    reason: { type: 'string' },
    force: { type: 'boolean' },
  },
  async run(context) {
    const [what, ...rest] = context.positionals;
    const store = new StateStore(context.paths.state);
    switch (what) {
      case 'init':
        return init(context, store);
      case 'sign':
        return sign(context, store, rest);
      case 'renew':
        return renew(context, store, rest);
      case 'install':
        return install(context, store, rest);
      case 'revoke':
        return revoke(context, store, rest);
      case 'ls':
        context.arguments(1, 1, 'weft authority ls');
        return list(context, store);
      default:
        throw usageError(
          'weft authority init, sign, renew, install, revoke or ls (see weft authority --help)',
        );
    }
  },
};

async function init(context: Context, store: StateStore): Promise<void> {
  const name = context.text('name') ?? 'authority';
  if (!isNodeName(name)) throw usageError(`--name ${name}: a-z, 0-9 and hyphens, up to 63`);
  store.prepare();
  const { id } = createAuthority(store, await createMeshCrypto(), name, context.flag('force'));
  await context.askIfRunning('reload');
  context.print(
    { id, name },
    () => `authority ${id}\nOn every other node: weft trust add authority ${id} name=${name}\n`,
  );
}

async function sign(context: Context, store: StateStore, words: readonly string[]): Promise<void> {
  const subject = parseNodeId(words[0] ?? '');
  if (subject === null || words.length > 1) {
    throw usageError(
      'weft authority sign ID: the 64 hex digits that weft show prints on that node',
    );
  }
  const name = context.text('name');
  if (name === undefined || !isNodeName(name))
    throw usageError('--name NAME is missing: what the node is to be called, a DNS label');
  const groups = context.list('group');
  const routes = context.list('route').map(routeOption);
  const addresses = context.list('address').map((text) => {
    const address = parseAddress(text);
    if (address !== null) return address;
    throw usageError(`--address ${text}: give an address without a prefix length`);
  });
  const names = context.list('can-issue');
  if (!names.every(isNamePattern)) throw usageError('--can-issue: a name with at most one *');
  store.prepare();
  const signer = openSigner(store, await createMeshCrypto());
  checkNotRevoked(store, signer, subject);
  const certificate = issueCertificate(
    store,
    systemRandom,
    signer,
    {
      subject,
      name,
      groups,
      addresses,
      routes,
      lifetimeSeconds: durationOption(context, 'lifetime', '1y'),
      ...(names.length > 0 && { canIssue: { names, groups, routes, addresses: [] } }),
    },
    wallTime().seconds,
  );
  const text = Buffer.from(certificate).toString('base64');
  context.print({ certificate: text, subject, name }, () => `${text}\n`);
}

async function renew(context: Context, store: StateStore, words: readonly string[]): Promise<void> {
  const [wanted] = words;
  if (wanted === undefined || words.length > 1)
    throw usageError('one NODE: weft authority renew NODE');
  const last = lastCertificate(store, wanted);
  const { subject, name, groups, addresses, routes, canIssue } = last;
  const lifetimeSeconds = durationOption(context, 'lifetime', '1y');
  const what = { subject, name, groups, addresses, routes, lifetimeSeconds };
  const signer = openSigner(store, await createMeshCrypto());
  checkNotRevoked(store, signer, subject);
  const { seconds } = wallTime();
  const notBefore = renewedStart(last, signer, seconds);
  const request = { ...what, notBefore, ...(canIssue && { canIssue }) };
  const certificate = issueCertificate(store, systemRandom, signer, request, seconds);
  const text = Buffer.from(certificate).toString('base64');
  context.print({ certificate: text, subject, name }, () => `${text}\n`);
}

/** @throws WeftError EREVOKED: what is signed for it nobody would accept */
function checkNotRevoked(store: StateStore, signer: Signer, subject: NodeId): void {
  if (!isNodeRevoked(store, signer, subject)) return;
  const remedy = 'remove identity.key on that host, which makes it a new node with a new id';
  throw new WeftError('EREVOKED', `${subject} was revoked, and that holds for good: ${remedy}`);
}

async function install(
  context: Context,
  store: StateStore,
  words: readonly string[],
): Promise<void> {
  const [source] = words;
  if (source === undefined || words.length > 1)
    throw usageError('one file: weft authority install - | FILE');
  const text = await readInput(source);
  const bytes = new Uint8Array(Buffer.from(text.trim(), 'base64'));
  const certificate = decodeCertificate(bytes);
  if (certificate === null) {
    throw new WeftError(
      'ECERTIFICATE',
      'this is no certificate: copy it again from weft authority sign',
    );
  }
  const seed = store.readSeed('identity');
  const id = seed && createIdentity(await createMeshCrypto(), seed).id;
  if (id !== certificate.subject) {
    const message = `the certificate is for ${certificate.subject}, this node is ${id ?? 'not made yet'}`;
    throw new WeftError('ECERTIFICATE', `${message}: have one signed for its id (weft show)`);
  }
  store.writeCertificate(bytes);
  await context.askIfRunning('reload');
  const { name } = certificate;
  const notAfter = new Date(certificate.notAfter * 1000).toISOString();
  context.print({ name, notAfter }, () => `certificate of ${name}, valid until ${notAfter}\n`);
}

async function revoke(
  context: Context,
  store: StateStore,
  words: readonly string[],
): Promise<void> {
  const [wanted] = words;
  if (wanted === undefined || words.length > 1)
    throw usageError('one NODE: weft authority revoke NODE');
  const subject = await revocationSubject(context, store, wanted);
  const reason = context.text('reason') ?? '';
  const crypto = await createMeshCrypto();
  const bytes = issueRevocation(store, crypto, subject, reason, wallTime().seconds);
  const revocation = Buffer.from(bytes).toString('base64');
  const told = await context.askIfRunning('revoke', { revocation });
  if (told === undefined) store.writeRevocations([...store.readRevocations(), bytes]);
  const what = subject.kind === 'node' ? { node: subject.node } : { serial: toHex(subject.serial) };
  context.print({ ...what, gossiped: told !== undefined }, ({ gossiped }) =>
    gossiped
      ? `${wanted} is revoked\n`
      : `${wanted} is revoked; the others hear of it when this node is up\n`,
  );
}

/** A serial number, an id, or the name of a member or of whom a certificate was signed for. */
async function revocationSubject(
  context: Context,
  store: StateStore,
  wanted: string,
): Promise<RevocationSubject> {
  const serial = wanted.length === 2 * SERIAL_BYTES ? fromHex(wanted) : null;
  if (serial !== null) return { kind: 'certificate', serial };
  const id = parseNodeId(wanted);
  if (id !== null) return { kind: 'node', node: id };
  const known = new Set<NodeId>();
  for (const { name, subject } of issuedCertificates(store))
    if (name === wanted) known.add(subject);
  const status = (await context.askIfRunning('status')) as NodeStatus | undefined;
  for (const { name, id: member } of status?.members ?? []) if (name === wanted) known.add(member);
  for (const { joiners } of await runningInvites(context)) {
    for (const { name, id: joiner } of joiners) if (name === wanted) known.add(joiner);
  }
  const [node, other] = known;
  if (node !== undefined && other === undefined) return { kind: 'node', node };
  const message =
    node === undefined
      ? `no node '${wanted}' is known here: give its id`
      : `'${wanted}' was more than one node: give an id (${[...known].join(', ')})`;
  throw new WeftError('ENONODE', message);
}

async function runningInvites(context: Context): Promise<readonly InviteSummary[]> {
  try {
    return ((await context.askIfRunning('invites')) ?? []) as InviteSummary[];
  } catch (error) {
    if (error instanceof WeftError && error.code === 'ENOAUTHORITY') return [];
    throw error;
  }
}

async function list(context: Context, store: StateStore): Promise<void> {
  const isRevoked = revokedHere(store);
  const signed = issuedCertificates(store).map((certificate) => ({
    name: certificate.name,
    id: certificate.subject,
    serial: toHex(certificate.serial),
    notAfter: new Date(certificate.notAfter * 1000).toISOString(),
    groups: certificate.groups,
    routes: certificate.routes.map(formatPrefix),
    addresses: certificate.addresses.map(formatAddress),
    mayIssue: certificate.canIssue !== undefined,
    revoked: isRevoked(certificate),
  }));
  const known = new Set(signed.map(({ id }) => id));
  const joined = (await runningInvites(context))
    .flatMap(({ joiners }) => joiners)
    .filter(({ id }) => !known.has(id));
  context.print({ signed, joined }, () => {
    const rows = [
      ...signed.map(({ name, id, serial, notAfter, revoked }) => [
        ...[name, id.slice(0, 16), serial],
        revoked ? 'revoked' : notAfter,
      ]),
      ...joined.map(({ name, id }) => [name, id.slice(0, 16), '(by invite)', '-']),
    ];
    return rows.length === 0
      ? 'nothing was signed here\n'
      : table([['NAME', 'ID', 'SERIAL', 'VALID UNTIL'], ...rows]);
  });
}

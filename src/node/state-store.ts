// What a mesh node keeps on the disk, /var/lib/weft. Secrets are 0600 in a directory of 0700; everything is written whole
// or not at all. What is there and cannot be read stops the node: nothing is taken as missing that is only broken.
//
//   identity.key   seed of the Ed25519 identity             authority.key  seed of an authority, where there is one
//   mesh.json      mesh id, mesh key, IPv4 prefix, seeds     certificate    this node's
//   trusted.d/     whom it trusts, a key a file              revocations    base64, one a line
//   issued/        certificates signed here, by serial       invites        of the issuer
//   members        the mesh core's state                    usage.json     bytes of uplinks with a quota

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Usage } from '../bond/quota.js';
import { formatPrefix, parsePrefix } from '../core/address.js';
import { messageOf, WeftError } from '../core/errors.js';
import { toHex } from '../core/hex.js';
import type { Prefix } from '../core/types.js';
import {
  checkNobodyElseWrites,
  makePrivateDirectory,
  type ReadLimits,
  readBytesIfThere,
  readTextIfThere,
  writeFileAtomically,
} from './atomic-file.js';
import { formatHostPort, type HostPort, parseHostPort } from './config.js';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/weft';
const SEED_BYTES = 32;
export const MESH_ID_BYTES = 16;
export const MESH_KEY_BYTES = 32;

const SECRET = 0o600;
const PUBLIC = 0o644;

/** A key, a certificate, mesh.json: none comes near. */
const SMALL_SECRET: ReadLimits = { maxBytes: 64 * 1024, privacy: 'secret' };
const SMALL: ReadLimits = { maxBytes: 64 * 1024, privacy: 'public' };
/** Revocations are unlimited in principle: these are some hundred thousand. */
const REVOCATIONS: ReadLimits = { maxBytes: 128 * 1024 * 1024, privacy: 'public' };
/** As the mesh core's decoders have it. */
const CORE_STATE: ReadLimits = { maxBytes: 64 * 1024 * 1024, privacy: 'secret' };

/** Which mesh this node is of. */
export interface MeshFile {
  /** 16 bytes. */
  readonly meshId: Uint8Array;
  /** 32 bytes, known to members only. Secret. */
  readonly meshKey: Uint8Array;
  /** Null: no IPv4 inside the mesh. */
  readonly v4Prefix: Prefix | null;
  /** Where the mesh was joined: asked besides the configured seeds. */
  readonly seeds: readonly HostPort[];
}

export interface NamedText {
  readonly fileName: string;
  readonly text: string;
}

export type SeedName = 'identity' | 'authority';

export class StateStore {
  readonly directory: string;

  constructor(directory: string = DEFAULT_STATE_DIRECTORY) {
    this.directory = directory;
  }

  /** Makes the directories, readable by their owner only. */
  prepare(): void {
    for (const name of ['', 'trusted.d', 'issued']) makePrivateDirectory(this.path(name));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  // --- Keys ---

  seedPath(name: SeedName): string {
    return this.path(`${name}.key`);
  }

  /**
   * @returns 32 bytes, or null if there is none
   * @throws WeftError ESTATE if others may read the file, or it holds no key
   */
  readSeed(name: SeedName): Uint8Array | null {
    const path = this.seedPath(name);
    const text = readTextIfThere(path, SMALL_SECRET);
    return text === null ? null : decode(text, SEED_BYTES, path);
  }

  /**
   * @param force replaces an earlier one: what it was trusted for is lost
   * @returns 32 random bytes
   * @throws WeftError EEXISTS
   */
  createSeed(name: SeedName, force: boolean): Uint8Array {
    const path = this.seedPath(name);
    if (!force && existsSync(path)) {
      throw new WeftError(
        'EEXISTS',
        `${path} exists: replacing it makes this a different ${name === 'identity' ? 'node' : 'authority'} that nobody trusts yet. Use --force if that is meant`,
      );
    }
    const seed = new Uint8Array(randomBytes(SEED_BYTES));
    writeFileAtomically(path, `${encode(seed)}\n`, SECRET);
    return seed;
  }

  // --- The mesh ---

  /** @throws WeftError ESTATE */
  readMesh(): MeshFile | null {
    const path = this.path('mesh.json');
    return existsSync(path) ? readMeshFile(path) : null;
  }

  writeMesh(mesh: MeshFile): void {
    const value = {
      meshId: encode(mesh.meshId),
      meshKey: encode(mesh.meshKey),
      v4Prefix: mesh.v4Prefix && formatPrefix(mesh.v4Prefix),
      seeds: mesh.seeds.map(formatHostPort),
    };
    writeFileAtomically(this.path('mesh.json'), `${JSON.stringify(value, null, 2)}\n`, SECRET);
  }

  /**
   * Leaves the mesh for good: whoever it trusted, and who was invited to it, has no claim to the next one. Keys stay.
   * Trust goes first and mesh.json last: after a crash in between the host is still in that mesh, and is to be forced again.
   */
  leaveMesh(): void {
    const trusted = this.readTrusted().map(({ fileName }) => fileName);
    const files = ['invites', 'certificate', 'revocations', 'members', 'mesh.json'];
    for (const path of [...trusted, ...files.map((name) => this.path(name))]) {
      rmSync(path, { force: true });
    }
  }

  // --- Trust ---

  /** The files of trusted.d, in order of their names. */
  readTrusted(): NamedText[] {
    const directory = this.path('trusted.d');
    let names: string[];
    try {
      names = readdirSync(directory);
      checkNobodyElseWrites(directory);
    } catch (error) {
      // whoever may not look says so: weft.ts
      if ((error as NodeJS.ErrnoException).code === 'EACCES') throw error;
      throw new WeftError(
        'ESTATE',
        `cannot read ${directory} (${messageOf(error)}): no trust without it`,
      );
    }
    return names
      .filter((name) => name.endsWith('.pub'))
      .sort()
      .map((name) => ({
        fileName: join(directory, name),
        text: readTextIfThere(join(directory, name), SMALL) ?? '',
      }));
  }

  /** @param name without the suffix */
  trustedPath(name: string): string {
    return join(this.path('trusted.d'), `${name}.pub`);
  }

  writeTrusted(name: string, text: string): void {
    writeFileAtomically(this.trustedPath(name), text, PUBLIC);
  }

  removeTrusted(name: string): void {
    rmSync(this.trustedPath(name));
  }

  /** This node's certificate; empty if it has none. */
  readCertificate(): Uint8Array {
    const path = this.path('certificate');
    const text = readTextIfThere(path, SMALL);
    return text === null ? new Uint8Array(0) : decode(text, null, path);
  }

  writeCertificate(bytes: Uint8Array): void {
    writeFileAtomically(this.path('certificate'), `${encode(bytes)}\n`, PUBLIC);
  }

  readRevocations(): Uint8Array[] {
    const path = this.path('revocations');
    const lines = (readTextIfThere(path, REVOCATIONS) ?? '')
      .split('\n')
      .filter((line) => line !== '');
    return lines.map((line) => decode(line, null, path));
  }

  writeRevocations(revocations: Iterable<Uint8Array>): void {
    const lines = [...revocations].map((bytes) => `${encode(bytes)}\n`);
    writeFileAtomically(this.path('revocations'), lines.join(''), PUBLIC);
  }

  // --- What an issuer keeps ---

  writeIssued(serial: Uint8Array, certificate: Uint8Array): void {
    writeFileAtomically(
      join(this.path('issued'), toHex(serial)),
      `${encode(certificate)}\n`,
      PUBLIC,
    );
  }

  readIssued(): Uint8Array[] {
    const directory = this.path('issued');
    if (!existsSync(directory)) return [];
    return readdirSync(directory)
      .filter((name) => /^[0-9a-f]+$/.test(name))
      .sort()
      .map((name) =>
        decode(readTextIfThere(join(directory, name), SMALL) ?? '', null, join(directory, name)),
      );
  }

  /** @param name of a file of bytes that only the mesh core understands */
  readBytes(name: 'members' | 'invites'): Uint8Array | null {
    return readBytesIfThere(this.path(name), CORE_STATE);
  }

  writeBytes(name: 'members' | 'invites', bytes: Uint8Array): void {
    writeFileAtomically(this.path(name), bytes, SECRET);
  }

  /**
   * What uplinks with a quota have carried, by name.
   * @throws WeftError ESTATE
   */
  readUsage(): Map<string, Usage> {
    const path = this.path('usage.json');
    const text = readTextIfThere(path, SMALL);
    const usage = text === null ? new Map<string, Usage>() : parseUsages(text);
    if (usage !== null) return usage;
    throw new WeftError('ESTATE', `${path} is damaged: remove it to count anew`);
  }

  writeUsage(usage: ReadonlyMap<string, Usage>): void {
    const text = JSON.stringify(Object.fromEntries(usage), null, 2);
    writeFileAtomically(this.path('usage.json'), `${text}\n`, PUBLIC);
  }
}

/** @throws WeftError ESTATE */
export function readMeshFile(path: string): MeshFile {
  const value = parseJson(readTextIfThere(path, SMALL_SECRET) ?? '', path);
  const v4Prefix = typeof value.v4Prefix === 'string' ? parsePrefix(value.v4Prefix) : null;
  const seeds = Array.isArray(value.seeds) ? value.seeds.map(String).map(parseHostPort) : [];
  if (v4Prefix === null && value.v4Prefix !== null) throw broken(path, 'v4Prefix');
  return {
    meshId: decode(String(value.meshId), MESH_ID_BYTES, path),
    meshKey: decode(String(value.meshKey), MESH_KEY_BYTES, path),
    v4Prefix,
    seeds: seeds.filter((seed) => seed !== null),
  };
}

/** Null if it is damaged. */
function parseUsages(text: string): Map<string, Usage> | null {
  const found = new Map<string, Usage>();
  try {
    for (const [name, value] of Object.entries(JSON.parse(text))) {
      const usage = parseUsage(value);
      if (usage === null) return null;
      found.set(name, usage);
    }
  } catch {
    return null;
  }
  return found;
}

function parseUsage(value: unknown): Usage | null {
  if (typeof value !== 'object' || value === null) return null;
  const { date, dayBytes, monthBytes } = value as Record<string, unknown>;
  const isDate = typeof date === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(date);
  const valid = isDate && [dayBytes, monthBytes].every((each) => Number(each) >= 0);
  return valid ? { date, dayBytes: Number(dayBytes), monthBytes: Number(monthBytes) } : null;
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** @param length null = any */
function decode(text: string, length: number | null, path: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text.trim(), 'base64'));
  if (encode(bytes) !== text.trim() || (length !== null && bytes.length !== length)) {
    throw broken(path, 'no base64 of the right length');
  }
  return bytes;
}

function parseJson(text: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw broken(path, 'no JSON object');
}

function broken(path: string, what: string): WeftError {
  return new WeftError(
    'ESTATE',
    `${path} is damaged (${what}): restore it, or remove it and join again`,
  );
}

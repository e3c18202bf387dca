// weft join: enters a mesh with an invite.

import { formatPrefix } from '../../core/address.js';
import { decodeCertificate } from '../../mesh/certificate.js';
import { parseInvite } from '../../mesh/invite-token.js';
import { DEFAULT_DEVICE, DEFAULT_LISTEN_PORT } from '../../node/config.js';
import { systemRandom } from '../../node/crypto.js';
import { checkNoMesh, enrol, ensureConfig, ensureIdentity } from '../../node/enrol.js';
import { runIp } from '../../node/ip-command.js';
import { joinMesh } from '../../node/join.js';
import { createMeshCrypto } from '../../node/mesh-crypto.js';
import { checkOverlap } from '../../node/overlap.js';
import { lockState } from '../../node/state-lock.js';
import { StateStore } from '../../node/state-store.js';
import { type Command, type Context, readInput, usageError } from '../command.js';
import { formatSeconds } from '../format.js';
import { durationOption, fileOptions, nameOption } from './init.js';

const DEFAULT_TIMEOUT = '30s';

export const join: Command = {
  help: `Usage: weft join - [OPTIONS] < INVITE
       weft join FILE [OPTIONS]

Enters the mesh of an invite (weft invite): makes an identity for this host if it has none, asks the inviting node for a
certificate, and writes weft.conf if there is none. Start the node with weft up. The invite is read from standard input or
a file: as an argument others could read it.

  --name NAME         this node's name, a DNS label (default: the host's name)
  --port PORT         UDP port (default ${DEFAULT_LISTEN_PORT})
  --announce ADDRESS:PORT   where others reach this node, if the host does not know it itself; repeatable
  --device NAME       interface to create (default ${DEFAULT_DEVICE})
  --timeout TIME      how long to ask for (default ${DEFAULT_TIMEOUT})
  --force             leave the mesh that this host is in for good; its identity stays
`,
  options: {
    name: { type: 'string' },
    port: { type: 'string' },
    announce: { type: 'string', multiple: true },
    device: { type: 'string' },
    timeout: { type: 'string' },
    force: { type: 'boolean' },
  },
  run,
};

async function run(context: Context): Promise<void> {
  const [source = ''] = context.arguments(1, 1, 'weft join - reads the invite from standard input');
  if (source.startsWith('weft1:')) {
    throw usageError(
      'an invite is a secret, and arguments are not: weft join - reads it from standard input',
    );
  }
  const name = nameOption(context);
  const file = fileOptions(context, name);
  const timeoutMs = durationOption(context, 'timeout', DEFAULT_TIMEOUT) * 1000;
  const store = new StateStore(context.paths.state);
  checkNoMesh(store, context.flag('force'));
  const text = await readInput(source);
  const crypto = await createMeshCrypto();
  const invite = parseInvite(crypto, text);
  store.prepare();
  lockState(store.directory); // until this command ends
  const identity = ensureIdentity(store, crypto, false);
  const env = { crypto, random: systemRandom, identity, invite, name, timeoutMs };
  const limit = formatSeconds(timeoutMs / 1000);
  const joined = await joinMesh(env, (where) =>
    context.note(`no answer yet from ${where}: asking for ${limit} in all`),
  );
  if (joined.v4Prefix !== null) {
    await checkOverlap([joined.v4Prefix], file.device, runIp, 'renumber that network');
  }
  const wroteConfig = ensureConfig(context.paths, file);
  const mesh = enrol(store, joined, invite);
  const certificate = decodeCertificate(joined.certificate);
  const result = {
    name,
    id: identity.id,
    groups: certificate?.groups ?? [],
    prefix: mesh.v4Prefix && formatPrefix(mesh.v4Prefix),
    notAfter: new Date((certificate?.notAfter ?? 0) * 1000).toISOString(),
    config: context.paths.config,
    wroteConfig,
  };
  context.print(result, () =>
    [
      `${name} is a member of the mesh, certified until ${result.notAfter}.`,
      `  identity  ${result.id}`,
      `  config    ${result.config}${wroteConfig ? '' : ' (was there, left as it is)'}`,
      'Next: weft up -d',
      '',
    ].join('\n'),
  );
}

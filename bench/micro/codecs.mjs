/** Bytes <-> values: handshake messages, the data plane's control batches, addresses. */
import { formatPrefix, parseEndpoint, parsePrefix } from '../../dist/core/address.js';
import { decodeBatch, encodePath, encodePrefixes } from '../../dist/dataplane/control-codec.js';
import { decodeHandshakeMessage, encodeInitiation } from '../../dist/wire/wireguard.js';

const BATCH_DATAGRAMS = 32;

/** A control batch of initiations as the addon encodes it (docs/dataplane.md). */
function controlBatch(path, message) {
  const header = new Uint8Array(16);
  new DataView(header.buffer).setUint32(8, BATCH_DATAGRAMS, true);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, message.length, true);
  const datagrams = Array.from({ length: BATCH_DATAGRAMS }, () => [path, length, message]).flat();
  return new Uint8Array(Buffer.concat([header, ...datagrams]));
}

/** @param {import('tinybench').Bench} bench */
export function addTasks(bench) {
  const fields = {
    senderIndex: 7,
    ephemeral: new Uint8Array(32).fill(1),
    encryptedStatic: new Uint8Array(48).fill(2),
    encryptedTimestamp: new Uint8Array(28).fill(3),
  };
  const initiation = encodeInitiation(fields);
  bench.add('encode an initiation', () => encodeInitiation(fields));
  bench.add('decode an initiation', () => decodeHandshakeMessage(initiation));

  const remote = { address: Uint8Array.of(192, 0, 2, 1), port: 51820, scopeId: 0 };
  const path = encodePath({ remote, local: null, interfaceIndex: 0 });
  const batch = controlBatch(path, initiation);
  if (decodeBatch(batch).datagrams.length !== BATCH_DATAGRAMS) throw new Error('batch is odd');
  bench.add(`decode a control batch of ${BATCH_DATAGRAMS} datagrams`, () => decodeBatch(batch));

  const v4 = parsePrefix('10.20.30.0/24');
  const v6 = parsePrefix('2001:db8:1:2::/64');
  const prefixes = Array.from({ length: 100 }, (_, i) => (i % 2 ? v4 : v6));
  bench.add('encode 100 prefixes', () => encodePrefixes(prefixes));
  bench.add('parse an IPv6 prefix', () => parsePrefix('2001:db8:1:2::/64'));
  bench.add('format an IPv6 prefix', () => formatPrefix(v6));
  bench.add('parse an endpoint', () => parseEndpoint('[2001:db8::1]:51820', () => null));
}

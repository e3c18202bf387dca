// The conversation of test/vectors/gossip.json, which was made by another implementation (gossip.py beside it).

import { describe, expect, it } from 'vitest';
import { meshCrypto, pathFrom } from '../../../test/support/gossip.js';
import { hex, must, toHex } from '../../../test/support/wg.js';
import vectors from '../../../test/vectors/gossip.json' with { type: 'json' };
import type { Random } from '../../core/random.js';
import { createIdentity } from '../identity.js';
import { Channel } from './channel.js';

interface Side {
  readonly seed: string;
  readonly id: string;
  readonly index: number;
  readonly nonce: string;
  readonly cookieSecret?: string;
}

/** Gives what the vectors say was drawn: by its length, it is a token's index, a nonce or the cookie secret. */
function drawn(side: Side): Random {
  return {
    bytes(length) {
      if (length === 24) return hex(side.nonce);
      if (length === 32) return hex(must(side.cookieSecret));
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, side.index, true);
      return bytes;
    },
  };
}

function start(side: Side) {
  const identity = createIdentity(meshCrypto, hex(side.seed));
  expect(identity.id).toBe(side.id);
  const channel = new Channel({
    crypto: meshCrypto,
    random: drawn(side),
    identity,
    meshKey: hex(vectors.meshKey),
    isMember: () => true,
  });
  return { identity, channel };
}

const address = hex(vectors.initiatorAddress);
const initiatorPath = pathFrom({ address, port: vectors.initiatorPort, scopeId: 0 });
const responderPath = pathFrom({ address: Uint8Array.of(192, 0, 2, 8), port: 51820, scopeId: 0 });

describe('Gossip vectors', () => {
  it('byte for byte', () => {
    const sides = { initiator: start(vectors.initiator), responder: start(vectors.responder) };
    const paths = { initiator: initiatorPath, responder: responderPath };
    const heard: string[] = [];
    for (const step of vectors.conversation) {
      const from = step.from === 'initiator' ? 'initiator' : 'responder';
      const to = from === 'initiator' ? 'responder' : 'initiator';
      if (step.text !== undefined) {
        const text = new TextEncoder().encode(step.text);
        sides[from].channel.send(0, sides[to].identity.id, paths[to], text);
      }
      const sent = sides[from].channel.takeDatagrams();
      expect(sent.map(({ bytes }) => toHex(bytes))).toEqual([step.bytes]);
      const datagram = { path: paths[from], bytes: hex(step.bytes) };
      const message = sides[to].channel.receive(0, datagram);
      if (message !== null) heard.push(new TextDecoder().decode(message.plaintext));
    }
    expect(heard).toEqual(['ping', 'pong', 'more']);
  });

  it('of a responder that has restarted', () => {
    const { channel } = start(vectors.responder);
    const last = must(vectors.conversation.at(-1));
    channel.receive(0, { path: initiatorPath, bytes: hex(last.bytes) });
    expect(channel.takeDatagrams().map(({ bytes }) => toHex(bytes))).toEqual([vectors.unknown]);
  });
});

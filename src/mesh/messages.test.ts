import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_PLAINTEXT } from '../wire/gossip.js';
import { encodeMsgpack } from '../wire/msgpack.js';
import { FragmentAssembler, fragmentsOf } from './fragments.js';
import { decodePacket, encodeMessage, joinMessages, type Message } from './messages.js';
import type { NodeId } from './types.js';

const alice = 'a1'.repeat(32) as NodeId;
const bob = 'b2'.repeat(32) as NodeId;
const signature = new Uint8Array(64).fill(3);
const nonce = new Uint8Array(16).fill(4);
const observed = { address: Uint8Array.of(192, 0, 2, 1), port: 51820, scopeId: 0 };

const MESSAGES: Message[] = [
  { type: 'ping', sequence: 0xffff_ffff, target: alice, proofFor: null },
  { type: 'ping', sequence: 1, target: alice, proofFor: { requester: bob, nonce } },
  { type: 'ack', sequence: 0, observed, proof: null },
  { type: 'ack', sequence: 7, observed, proof: signature },
  { type: 'indirect-ping', sequence: 2, target: alice, nonce, waitMs: 400 },
  { type: 'relayed-ack', sequence: 2, proof: signature },
  { type: 'nack', sequence: 2 },
  { type: 'hello', payload: Uint8Array.of(1, 2), signature, answer: true },
  { type: 'record', payload: Uint8Array.of(1, 2), signature },
  { type: 'accusation', target: alice, incarnation: 5, accuser: bob, signature },
  { type: 'revocation', bytes: Uint8Array.of(9) },
  { type: 'digest', hash: new Uint8Array(16) },
  { type: 'buckets', hashes: new Uint8Array(768) },
  { type: 'page', bucket: 127, entries: new Uint8Array(26) },
  { type: 'want', keys: new Uint8Array(16) },
  { type: 'more', afterMs: 200, busy: false },
  { type: 'fragment', id: 1, index: 0, count: 2, bytes: Uint8Array.of(1) },
  { type: 'join', inviteId: nonce, proof: new Uint8Array(32), name: 'shop' },
  { type: 'join-refused', inviteId: nonce, reason: 'expired' },
  {
    type: 'join-accepted',
    inviteId: nonce,
    certificate: new Uint8Array(200),
    authorities: [alice, bob],
    v4Prefix: '10.86.0.0/16',
    payload: Uint8Array.of(1),
    signature,
  },
];

describe('messages', () => {
  test.each(MESSAGES)('$type survives', (message) => {
    expect(decodePacket(joinMessages([encodeMessage(message)]))).toEqual([message]);
  });

  test('share a packet', () => {
    expect(decodePacket(joinMessages(MESSAGES.map(encodeMessage)))).toEqual(MESSAGES);
  });

  test('of a later version are skipped, and so are fields', () => {
    const nack = [5, 2, 'a field of a later version'];
    const packet = encodeMsgpack([[99, 'a message of a later version'], nack]);
    expect(decodePacket(packet)).toEqual([{ type: 'nack', sequence: 2 }]);
  });

  test.each([
    ['no array', 5],
    ['a message that is none', [[]]],
    ['a number as a signature', [[7, new Uint8Array(3), 64]]],
    ['a short signature', [[7, new Uint8Array(3), new Uint8Array(63)]]],
    ['a short identity', [[1, 5, new Uint8Array(31)]]],
    ['a negative number', [[5, -1]]],
    ['a missing field', [[4, 5]]],
    ['a reason that a terminal obeys', [[17, nonce, '\x1b[2Jexpired']]],
    [
      'too many authorities',
      [[18, nonce, nonce, Array(17).fill(new Uint8Array(32)), '', nonce, signature]],
    ],
  ])('%s is no packet', (_, value) => {
    expect(decodePacket(encodeMsgpack(value as never))).toBeNull();
  });

  test('random bytes never throw', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(bytes, (random) => {
        decodePacket(random);
        decodePacket(Uint8Array.of(0x91, 0x94, ...random));
      }),
    );
  });
});

describe('fragments', () => {
  const large = encodeMessage({ type: 'record', payload: new Uint8Array(2_500), signature });
  const fragments = (id: number) =>
    (fragmentsOf(large, id) ?? []).map((bytes) => {
      const packet = joinMessages([bytes]);
      expect(packet.length).toBeLessThanOrEqual(MAX_PLAINTEXT);
      return decodePacket(packet)?.[0] as Extract<Message, { type: 'fragment' }>;
    });

  test('become one message, in any order', () => {
    const assembler = new FragmentAssembler(() => false);
    const [first, second, third] = fragments(1);
    expect(assembler.accept(0, alice, third!)).toBeNull();
    expect(assembler.accept(0, bob, third!)).toBeNull();
    expect(assembler.accept(0, alice, first!)).toBeNull();
    expect(assembler.accept(0, alice, second!)).toMatchObject({ type: 'record' });
  });

  test('of two messages are not mixed', () => {
    const assembler = new FragmentAssembler(() => false);
    const [, second, third] = fragments(2);
    assembler.accept(0, alice, fragments(1)[0]!);
    assembler.accept(0, alice, second!);
    expect(assembler.accept(0, alice, third!)).toBeNull();
  });

  test('are bounded, and those that never end are dropped', () => {
    const [first, second, third] = fragments(1);
    const sender = (i: number) => `${i}`.padStart(64, '0') as NodeId;
    const full = (isMember: (id: NodeId) => boolean) => {
      const assembler = new FragmentAssembler(isMember);
      for (let i = 0; i < 128; i++) expect(assembler.accept(0, sender(i), first!)).toBeNull();
      return assembler;
    };
    const ofMembers = full((id) => id !== alice);
    expect(ofMembers.accept(0, alice, first!)).toBe('refused');
    expect(ofMembers.accept(6_000, alice, first!)).toBeNull();

    // The oldest makes room, and of a member only for another.
    const mixed = full((id) => id === sender(0) || id === alice);
    expect(mixed.accept(1, alice, first!)).toBeNull();
    for (let i = 200; i < 400; i++) expect(mixed.accept(1, sender(i), first!)).toBeNull();
    for (const member of [sender(0), alice]) {
      expect(mixed.accept(2, member, second!)).toBeNull();
      expect(mixed.accept(2, member, third!)).toMatchObject({ type: 'record' });
    }
    expect(fragmentsOf(new Uint8Array(10_000), 1)).toBeNull();
  });
});

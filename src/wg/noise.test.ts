import { describe, expect, it } from 'vitest';
import { crypto, hex, must, toHex } from '../../test/support/wg.js';
import kdfVectors from '../../test/vectors/kdf.json' with { type: 'json' };
import noiseVectors from '../../test/vectors/noise-ikpsk2.json' with { type: 'json' };
import {
  kdf3,
  readInitiationPayload,
  readInitiatorStatic,
  readResponse,
  SymmetricState,
  writeInitiation,
  writeResponse,
} from './noise.js';

describe('KDF', () => {
  it.each(kdfVectors.vectors)('of $input under $key', ({ key, input, outputs }) => {
    expect(kdf3(crypto, hex(key), hex(input)).map(toHex)).toEqual(outputs);
  });
});

describe.each(noiseVectors.vectors)('$protocol_name', (vector) => {
  const [first, second, ...transport] = vector.messages;
  const initiatorStatic = crypto.importPrivateKey(hex(vector.init_static));
  const responderStatic = crypto.importPrivateKey(hex(vector.resp_static));
  const initiatorEphemeral = crypto.importPrivateKey(hex(vector.init_ephemeral));
  const responderEphemeral = crypto.importPrivateKey(hex(vector.resp_ephemeral));
  const presharedKey = hex(must(vector.init_psks[0]));
  const staticStatic = initiatorStatic.diffieHellman(responderStatic.publicKey);
  const empty = new Uint8Array(0);

  function start() {
    const prologue = hex(vector.init_prologue);
    return {
      initiator: SymmetricState.start(crypto, prologue, hex(vector.init_remote_static)),
      responder: SymmetricState.start(crypto, prologue, responderStatic.publicKey),
    };
  }

  function run() {
    const { initiator, responder } = start();
    const initiation = must(
      writeInitiation(
        initiator,
        {
          ephemeral: initiatorEphemeral,
          localStatic: initiatorStatic,
          remoteStatic: responderStatic.publicKey,
          staticStatic,
        },
        hex(must(first).payload),
      ),
    );
    const who = readInitiatorStatic(
      responder,
      responderStatic,
      initiatorEphemeral.publicKey,
      initiation.encryptedStatic,
    );
    const payload = readInitiationPayload(responder, staticStatic, initiation.encryptedPayload);
    const response = must(
      writeResponse(
        responder,
        {
          ephemeral: responderEphemeral,
          remoteEphemeral: initiatorEphemeral.publicKey,
          remoteStatic: initiatorStatic.publicKey,
          presharedKey,
        },
        hex(must(second).payload),
      ),
    );
    return { initiator, responder, initiation, who, payload, response };
  }

  const responseKeys = {
    localEphemeral: initiatorEphemeral,
    localStatic: initiatorStatic,
    presharedKey,
  };

  it('writes and reads the two messages', () => {
    const { initiator, initiation, who, payload, response } = run();
    const { encryptedStatic, encryptedPayload } = initiation;
    const wire = [initiatorEphemeral.publicKey, encryptedStatic, encryptedPayload].map(toHex);
    expect(wire.join('')).toBe(must(first).ciphertext);
    expect(who).toEqual(initiatorStatic.publicKey);
    expect(toHex(must(payload))).toBe(must(first).payload);
    expect(toHex(responderEphemeral.publicKey) + toHex(response)).toBe(must(second).ciphertext);
    const answer = readResponse(initiator, responseKeys, responderEphemeral.publicKey, response);
    expect(toHex(must(answer))).toBe(must(second).payload);
  });

  it('agrees on the transcript and on the transport keys', () => {
    const { initiator, responder, response } = run();
    readResponse(initiator, responseKeys, responderEphemeral.publicKey, response);
    expect(toHex(initiator.hash)).toBe(vector.handshake_hash);
    expect(toHex(responder.hash)).toBe(vector.handshake_hash);
    const keys = initiator.split();
    expect(responder.split()).toEqual(keys);
    for (const [i, { payload, ciphertext }] of transport.entries()) {
      const sealed = crypto.seal(must(keys[i % 2]), i >> 1, hex(payload), empty);
      expect(toHex(sealed)).toBe(ciphertext);
    }
  });

  it('stops at a Diffie-Hellman of zero, static-static included', () => {
    const lowOrder = new Uint8Array(32);
    const keys = {
      ephemeral: initiatorEphemeral,
      localStatic: initiatorStatic,
      remoteStatic: responderStatic.publicKey,
      staticStatic,
    };
    expect(
      writeInitiation(start().initiator, { ...keys, remoteStatic: lowOrder }, empty),
    ).toBeNull();
    expect(writeInitiation(start().initiator, { ...keys, staticStatic: null }, empty)).toBeNull();
    const { responder } = start();
    expect(readInitiatorStatic(responder, responderStatic, lowOrder, empty)).toBeNull();
    expect(readInitiationPayload(responder, null, empty)).toBeNull();
    const answer = {
      ephemeral: responderEphemeral,
      remoteEphemeral: initiatorEphemeral.publicKey,
      remoteStatic: initiatorStatic.publicKey,
      presharedKey,
    };
    expect(writeResponse(responder, { ...answer, remoteEphemeral: lowOrder }, empty)).toBeNull();
    expect(writeResponse(responder, { ...answer, remoteStatic: lowOrder }, empty)).toBeNull();
    expect(readResponse(start().initiator, responseKeys, lowOrder, empty)).toBeNull();
  });

  it('reads nothing under another preshared key', () => {
    const { initiator, response } = run();
    const other = { ...responseKeys, presharedKey: new Uint8Array(32) };
    expect(readResponse(initiator, other, responderEphemeral.publicKey, response)).toBeNull();
  });
});

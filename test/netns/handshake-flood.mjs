// Runs inside a namespace: handshake initiations with a valid mac1 and random contents, RATE a second (or as many as one
// process can send), until SIGTERM. Prints what it sent and received, by message type, once in a while and at the end.
//   node handshake-flood.mjs ADDRESS PORT PUBLIC-KEY-HEX RATE|Infinity
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { blake2s } from '@noble/hashes/blake2.js';

const DISTINCT = 256;
const BURST = 32;
const [address, port, publicKey, rate] = process.argv.slice(2);

// mac1 = MAC(HASH("mac1----" | public key of the responder), message up to mac1): whitepaper 5.4.4.
const key = blake2s(Buffer.concat([Buffer.from('mac1----'), Buffer.from(publicKey, 'hex')]));
const messages = Array.from({ length: DISTINCT }, () => {
  const message = randomBytes(148);
  message.set([1, 0, 0, 0]);
  message.set(blake2s(message.subarray(0, 116), { key, dkLen: 16 }), 116);
  message.fill(0, 132);
  return message;
});

const report = { sent: 0, received: {} };
const socket = createSocket({ type: 'udp4', sendBufferSize: 1 << 20 });
socket.on('message', (bytes) => {
  report.received[bytes[0]] = (report.received[bytes[0]] ?? 0) + 1;
});

function print() {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

const begun = performance.now();

function burst() {
  if (report.sent > ((performance.now() - begun) / 1000) * Number(rate)) {
    setTimeout(burst, 1);
    return;
  }
  let pending = BURST;
  for (let i = 0; i < BURST; i++) {
    socket.send(messages[report.sent++ % DISTINCT], Number(port), address, () => {
      if (--pending === 0) setImmediate(burst);
    });
  }
}

socket.bind(0, () => {
  setInterval(print, 100);
  burst();
});
process.on('SIGTERM', () => {
  print();
  process.exit(0);
});

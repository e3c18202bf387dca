// Runs inside a namespace: UDP flows whose datagrams vary in size as QUIC's do, from bare acknowledgements to full
// packets, numbered within their flow. The receiver counts those that were passed by a later one.
//   node udp-mix.mjs receive ADDRESS                 prints {received, overtaken, flows} when all flows have ended
//   node udp-mix.mjs send ADDRESS FLOWS MILLISECONDS
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

const PORT = 5302;
const LAST = 0xffffffff;
const SIZES = [29, 40, 1200, 1350, 61, 33, 1350, 1350, 90, 300, 301, 1200, 29, 700];
const BURST = 40;
const [mode, address, flows, milliseconds] = process.argv.slice(2);
const family = address.includes(':') ? 'udp6' : 'udp4';

function receive() {
  const highest = new Map();
  let received = 0;
  let overtaken = 0;
  let ended = 0;
  const socket = createSocket({ type: family, recvBufferSize: 1 << 22 });
  socket.on('message', (bytes, from) => {
    const number = bytes.readUInt32BE(0);
    const before = highest.get(from.port) ?? -1;
    if (before === LAST) return;
    highest.set(from.port, Math.max(before, number));
    if (number !== LAST) {
      received++;
      if (number < before) overtaken++;
    } else if (++ended === bytes.readUInt32BE(4)) {
      console.log(JSON.stringify({ received, overtaken, flows: highest.size }));
      socket.close();
    }
  });
  socket.bind(PORT, address, () => console.log('listening'));
}

function datagram(number, size) {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32BE(number, 0);
  bytes.writeUInt32BE(Number(flows), 4);
  return bytes;
}

async function sendFlow(seed) {
  const socket = createSocket(family);
  socket.on('error', () => {}); // refused: the receiver has seen all ends
  await new Promise((resolve) => socket.connect(PORT, address, resolve));
  const end = Date.now() + Number(milliseconds);
  for (let number = 0; Date.now() < end; ) {
    for (let i = 0; i < BURST; i++, number++) {
      socket.send(datagram(number, SIZES[(number * (seed * 2 + 1)) % SIZES.length]));
    }
    await sleep(1);
  }
  // Often enough for one to arrive: the flow's end must be seen.
  for (let i = 0; i < 50; i++) {
    socket.send(datagram(LAST, 29));
    await sleep(10);
  }
  socket.close();
}

if (mode === 'receive') receive();
else await Promise.all(Array.from({ length: Number(flows) }, (_, seed) => sendFlow(seed)));

// Runs inside a namespace: a UDP socket on stdin and stdout, one JSON object a line, {address, port, hex} each way.
//   node udp-socket.mjs ADDRESS PORT
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

const [bindAddress, bindPort] = process.argv.slice(2);
const socket = createSocket(bindAddress.includes(':') ? 'udp6' : 'udp4');

function print(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

socket.on('message', (bytes, from) => {
  print({ address: from.address, port: from.port, hex: bytes.toString('hex') });
});
socket.on('error', (error) => process.stderr.write(`${error}\n`));
socket.bind(Number(bindPort), bindAddress, () => print({ bound: true }));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { address, port, hex } = JSON.parse(line);
    socket.send(Buffer.from(hex, 'hex'), port, address);
  })
  .on('close', () => process.exit(0));

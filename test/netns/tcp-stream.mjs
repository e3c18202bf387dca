// Runs inside a namespace: one TCP stream, its length and SHA-256 printed by both ends. iperf3 does not compare
// contents, and the receiving kernel trusts checksums that a TUN device declares as verified.
//   node tcp-stream.mjs receive ADDRESS
//   node tcp-stream.mjs send ADDRESS BYTES
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createConnection, createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';

const PORT = 5301;
const [mode, host, bytes] = process.argv.slice(2);

function summary(hash, length) {
  return `${length} bytes, SHA-256 ${hash.digest('hex')}`;
}

if (mode === 'receive') {
  const server = createServer((socket) => {
    const hash = createHash('sha256');
    let length = 0;
    socket.on('data', (chunk) => {
      hash.update(chunk);
      length += chunk.length;
    });
    socket.on('end', () => {
      console.log(summary(hash, length));
      server.close();
      socket.end();
    });
  });
  server.listen(PORT, host, () => console.log('listening'));
} else {
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16));
  const hash = createHash('sha256');
  const total = Number(bytes);
  const source = (async function* () {
    for (let left = total; left > 0; left -= 65536) {
      const chunk = cipher.update(Buffer.alloc(Math.min(left, 65536)));
      hash.update(chunk);
      yield chunk;
    }
  })();
  await pipeline(source, createConnection({ port: PORT, host }));
  console.log(summary(hash, total));
}

/** What a soak reads from outside of a running tunnel; each reading costs little. */
import { connect } from 'node:net';
import { readProc, run } from '../throughput/command.mjs';
import { WIRE_PORT } from '../throughput/topology.mjs';

/**
 * Counters of an end's tunnel interface.
 * @param {import('../throughput/topology.mjs').End} end
 */
export async function readInterface({ netns, interfaceName }) {
  const argv = ['ip', '-n', netns, '-s', '-j', 'link', 'show', 'dev', interfaceName];
  const [{ stats64 }] = JSON.parse(await run(argv));
  return { rxBytes: stats64.rx.bytes, txDropped: stats64.tx.dropped };
}

/** Datagrams that the kernel dropped at the tunnel's full UDP sockets, seen by a process there. */
export function readSocketDrops(pid) {
  const port = `:${WIRE_PORT.toString(16).toUpperCase()} `;
  let drops = 0;
  for (const table of ['udp', 'udp6']) {
    for (const line of (readProc(`/proc/${pid}/net/${table}`) ?? '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (`${fields[1]} `.endsWith(port)) drops += Number(fields.at(-1));
    }
  }
  return drops;
}

/** weft's own counters (weft-wg --counters); null where nobody knows the question. */
export function readCounters({ interfaceName }) {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(`/var/run/wireguard/${interfaceName}.sock`, () =>
      socket.end('counters=1\n\n'),
    );
    socket.setTimeout(2000, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      try {
        resolve(JSON.parse(text));
      } catch {
        resolve(null);
      }
    });
  });
}

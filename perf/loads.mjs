/** The kinds of load that a capture can be made under: what runs through the tunnel, and how its work is counted. */
import { Child, sleep } from '../bench/throughput/command.mjs';
import { startIperf } from '../bench/throughput/measurements.mjs';
import { parseIperfTcp, parsePing } from '../bench/throughput/parse.mjs';
import { inside } from '../bench/throughput/topology.mjs';
import { startDatagrams } from '../bench/throughput/udp-load.mjs';

const CONGESTION = 'cubic';
/** The load starts before the recording, and ends after it. */
const SETTLE_MS = 1000;
const TAIL_SECONDS = 1;
const PING_INTERVAL_S = 0.01;

/**
 * What the load did, by its own account over its whole life.
 * @typedef {{perSecond: number, said: string}} Rate
 */

async function startTcp(session, seconds) {
  const { finish } = await startIperf(session, seconds, ['-C', CONGESTION]);
  return async () => {
    const { gbps, retransmits } = parseIperfTcp(await finish(), CONGESTION);
    const said = `${gbps.toFixed(2)} Gbit/s, ${retransmits} retransmits`;
    return { perSecond: (gbps * 1e9) / 8, said };
  };
}

function startUdp(size) {
  return async (session, seconds) => {
    const { finish } = await startDatagrams(session, { size, seconds });
    return async () => {
      const { deliveredPps, lossRatio } = await finish();
      const said = `${(deliveredPps / 1000).toFixed(1)} kpps, ${(100 * lossRatio).toFixed(1)} % lost`;
      return { perSecond: deliveredPps, said };
    };
  };
}

async function startPing({ a, b }, seconds) {
  const argv = ['ping', '-n', '-i', `${PING_INTERVAL_S}`, '-w', `${seconds}`, b.target];
  const ping = new Child(inside(a.netns, argv));
  return async () => {
    await ping.exit;
    const { avgMs, p50Ms, p99Ms, samples } = parsePing(ping.stdout());
    const said = `avg ${avgMs.toFixed(3)} ms, p50 ${p50Ms} ms, p99 ${p99Ms} ms`;
    return { perSecond: samples / seconds, said };
  };
}

/** mode: of the veth, see bench/throughput/topology.mjs; unit: in which the work is counted */
export const LOADS = {
  tcp: { title: 'one TCP stream', mode: 'offloads', unit: 'byte', start: startTcp },
  wire: { title: 'one TCP stream, wire-like', mode: 'wire', unit: 'byte', start: startTcp },
  udp64: { title: 'UDP, 64 bytes', mode: 'offloads', unit: 'datagram', start: startUdp(64) },
  udp1372: { title: 'UDP, 1372 bytes', mode: 'offloads', unit: 'datagram', start: startUdp(1372) },
  ping: { title: 'ping, idle', mode: 'offloads', unit: 'round trip', start: startPing },
};

/**
 * Runs the load, and `during` in the midst of it.
 * @param {import('../bench/throughput/session.mjs').Session} session
 * @param {keyof typeof LOADS} name
 * @param {number} seconds that `during` takes
 * @param {() => Promise<void>} during
 * @returns {Promise<Rate>}
 */
export async function runLoad(session, name, seconds, during) {
  const whole = seconds + SETTLE_MS / 1000 + TAIL_SECONDS;
  const finish = await LOADS[name].start(session, whole);
  await sleep(SETTLE_MS);
  await during();
  return finish();
}

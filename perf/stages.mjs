/**
 * Which part of a packet's way a sample belongs to, and the table of it.
 *
 * The innermost frame that a rule knows decides: a copy below `tun_do_read` is the TUN's, a checksum below
 * `SegmentPlan::write` is the copy's, and what `udp_send_skb` runs below it is the kernel's network stack.
 */

/** In the order of a packet's way; docs/dataplane.md has the same names. */
export const STAGES = [
  'TUN read',
  'route, plan',
  'copy, checksum',
  'seal',
  'UDP send',
  'UDP receive',
  'open',
  'replay, deliver',
  'merge',
  'TUN write',
  'engine, other',
  'kernel network stack',
  'scheduler, wake-ups',
  'Node, JavaScript',
  'load (iperf3, ping)',
  'perf',
  'other processes',
  'idle',
];

/** Those that are not the tunnel's doing. */
export const OUTSIDE = new Set(['perf', 'other processes', 'idle']);

const NETWORK_STACK =
  /^(ip_(send_skb|local_|output|finish|rcv|queue|sub)|__ip_(?!append|make|flush)|ip6_(?!append|make)|ipv6_|udp6?_send_skb|udp_v6_send_skb|__?udp[46]?_(lib_|queue_|unicast_)?rcv|udpv6_rcv|udp_(queue_)?rcv|udp_gro|skb_(segment|udp_)|__skb_udp|tcp_(v[46]|write|push|rcv|ack|data|tsq|queue|clean|rack|gro|gso|try|send_ack|add_backlog|small|delack|release_cb|transmit)|__tcp_(transmit|push|ack|send_ack)|tun_net_xmit|veth_|dev_(hard|queue|gro)|__dev_queue|__netif|netif_|napi_|__napi|net_rx|net_tx|process_backlog|nf_|icmp_|ping_|raw_(rcv|v4|local)|validate_xmit|sch_direct|neigh_|handle_softirqs|__do_softirq|do_softirq|run_ksoftirqd|sk_psock|bpf_prog_)/;
const SCHEDULER =
  /^(__?schedule|schedule_|preempt_schedule|try_to_wake_up|ttwu_|__wake_up|wake_up_|default_wake|autoremove_wake|ep_(poll|send|item|autoremove)|do_epoll|epoll_wait|__x64_sys_(epoll|poll|select|pselect|futex|sched)|finish_task_switch|pick_next|futex_|do_(select|sys_poll|nanosleep)|hrtimer_|sock_def_readable|eventfd_|sched_|update_curr|enqueue_|dequeue_|select_task|clock_nanosleep|weft::io::Poller)/;

/** Of a data thread. libc's wrappers are named too, as the frame that calls one is lost (no frame pointer in them). */
const DATA_PLANE = [
  ['scheduler, wake-ups', SCHEDULER],
  ['kernel network stack', NETWORK_STACK],
  [
    'TUN read',
    /^(tun_(chr_read|do_read|ring_recv|put_user)|(__GI_|__libc_)*(read|readv)$|ksys_read|do_readv|weft::tun::TunDevice::read)/,
  ],
  [
    'TUN write',
    /^(tun_(chr_write|get_user|build_skb)|(__GI_|__libc_)*writev?$|ksys_write|do_writev|weft::tun::TunDevice::write)/,
  ],
  [
    'UDP send',
    /^(udp(v6)?_sendmsg|(__|___)?sys_sendm|(__GI_|__libc_)*sendm?msg$|ip_make_skb|weft::net::UdpSockets?::send)/,
  ],
  [
    'UDP receive',
    /^(udp(v6)?_recvmsg|(__|___)?sys_recvm|(__GI_|__libc_)*recvm?msg$|weft::net::UdpSocket::receive)/,
  ],
  ['copy, checksum', /^weft::tun::(SegmentPlan::write|checksum)/],
  ['route, plan', /^weft::(tun::SegmentPlan|engine::(Outbound|TunQueues|SendBatch|OutboundUnit))/],
  ['merge', /^weft::tun::GroMerger/],
  ['replay, deliver', /^weft::(peer::ReplayFilter|engine::(Inbound|InboundUnit))/],
];
const CRYPTO = /^weft::crypto::|^crypto_aead_|^chacha20|^poly1305/;
const SEALS = /seal|SendBatch|[Oo]utbound|<false>/;

/** @param {string} frame without its mark */
const bare = (frame) => frame.replace(/_\[[kj]\]$/, '');

function dataPlaneStage(frames) {
  for (let i = frames.length - 1; i >= 0; i--) {
    const name = bare(frames[i]);
    if (CRYPTO.test(name))
      return frames.slice(0, i + 1).some((f) => SEALS.test(f)) ? 'seal' : 'open';
    const rule = DATA_PLANE.find(([, pattern]) => pattern.test(name));
    if (rule) return rule[0];
  }
  return 'engine, other';
}

function innermost(frames, rules, otherwise) {
  for (let i = frames.length - 1; i >= 0; i--) {
    const name = bare(frames[i]);
    const rule = rules.find(([, pattern]) => pattern.test(name));
    if (rule) return rule[0];
  }
  return otherwise;
}

const KERNEL = [
  ['scheduler, wake-ups', SCHEDULER],
  ['kernel network stack', NETWORK_STACK],
];

const IDLE = [
  ['scheduler, wake-ups', /^(schedule|__schedule|sched_ttwu|flush_smp)/],
  ['kernel network stack', NETWORK_STACK],
];

/**
 * @param {string} stack folded, of a sample that attribute() has named
 * @returns {string} one of STAGES
 */
export function stageOf(stack) {
  const [thread, ...frames] = stack.split(';');
  if (/ \((sender|receiver)\)$/.test(thread)) {
    if (/^weft-data/.test(thread)) return dataPlaneStage(frames);
    if (/^(iperf3|ping|udp_load)/.test(thread))
      return innermost(frames, KERNEL, 'load (iperf3, ping)');
    return 'Node, JavaScript';
  }
  if (/^swapper/.test(thread)) return innermost(frames, IDLE, 'idle');
  if (/^perf/.test(thread)) return 'perf';
  return innermost(frames, KERNEL, 'other processes');
}

/**
 * @param {Map<string, number>} stacks
 * @returns {Record<string, number>} weight by stage, all of STAGES
 */
export function stageWeights(stacks) {
  const weights = Object.fromEntries(STAGES.map((stage) => [stage, 0]));
  for (const [stack, weight] of stacks) weights[stageOf(stack)] += weight;
  return weights;
}

const figure = (value) => (value < 1000 ? value.toPrecision(3) : value.toFixed(0));

/**
 * @param {Record<string, number>} weights by stage
 * @param {{quantity: string, unit: string, units: number}} work what a weight is ('ns', 'cycles'), and what was done
 *   meanwhile: `units` of `unit` ('byte', 'datagram', 'round trip')
 */
export function formatStages(weights, { quantity, unit, units }) {
  const all = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const tunnel = STAGES.filter((stage) => !OUTSIDE.has(stage));
  const busy = tunnel.reduce((sum, stage) => sum + weights[stage], 0);
  const row = (name, weight) =>
    name.padEnd(22) +
    `${((100 * weight) / all).toFixed(1)} %`.padStart(9) +
    (OUTSIDE.has(name) ? '' : `${((100 * weight) / busy).toFixed(1)} %`).padStart(11) +
    figure(weight / units).padStart(14);
  const head = `${'stage'.padEnd(22)}${'share'.padStart(9)}${'of tunnel'.padStart(11)}${`${quantity}/${unit}`.padStart(14)}`;
  const outside = STAGES.filter((stage) => OUTSIDE.has(stage));
  return `${[
    head,
    ...tunnel.map((stage) => row(stage, weights[stage])),
    row('the tunnel, all', busy),
    ...outside.map((stage) => row(stage, weights[stage])),
  ].join('\n')}\n`;
}

/**
 * Every metric: how it is shown, and which direction is better. `test` is its name for --tests.
 * `count`: often 0, or a condition of the row above, so that a ratio would say nothing.
 */
const metric = (name, test, unit, better, title, count = false) => ({
  name,
  test,
  unit,
  better,
  title,
  count,
});

export const METRICS = [
  metric('tcp', 'tcp', 'Gbit/s', 'higher', 'TCP, 1 stream'),
  metric('tcp-cycles', 'tcp', 'cycles/B', 'lower', '  machine cycles per byte'),
  metric('tcp-cpu-ns', 'tcp', 'ns/B', 'lower', '  machine CPU time per byte'),
  metric('tcp-cpu', 'tcp', '% core', 'lower', '  CPU of both ends'),
  metric('tcp-foreign', 'tcp', '%', 'lower', '  machine busy with unrelated processes', true),
  metric('tcp-retransmits', 'tcp', 'segments', 'lower', '  retransmits', true),
  metric('tcp-x4', 'tcp-x4', 'Gbit/s', 'higher', 'TCP, 4 streams'),
  metric('tcp-reverse', 'tcp-reverse', 'Gbit/s', 'higher', 'TCP, 1 stream, reverse'),
  metric('udp64', 'udp64', 'kpps', 'higher', 'UDP 64 B, delivered of a flood'),
  metric('udp64-offered', 'udp64', 'kpps', 'higher', '  offered', true),
  metric('udp1372', 'udp1372', 'kpps', 'higher', 'UDP 1372 B, delivered of a flood'),
  metric('udp1372-offered', 'udp1372', 'kpps', 'higher', '  offered', true),
  metric('udp64-lossless', 'udp64-lossless', 'kpps', 'higher', 'UDP 64 B, highest lossless rate'),
  metric(
    'udp1372-lossless',
    'udp1372-lossless',
    'kpps',
    'higher',
    'UDP 1372 B, highest lossless rate',
  ),
  metric('ping-avg', 'ping', 'ms', 'lower', 'ping idle, average'),
  metric('ping-p99', 'ping', 'ms', 'lower', 'ping idle, p99'),
  metric('ping-load-p50', 'ping-load', 'ms', 'lower', 'ping under 1 TCP stream, p50'),
  metric('ping-load-p99', 'ping-load', 'ms', 'lower', 'ping under 1 TCP stream, p99'),
  metric('ping-load-loss', 'ping-load', '%', 'lower', '  pings lost', true),
  metric('ping-load-x4-p50', 'ping-load-x4', 'ms', 'lower', 'ping under 4 TCP streams, p50'),
  metric('ping-load-x4-p99', 'ping-load-x4', 'ms', 'lower', 'ping under 4 TCP streams, p99'),
  metric('ping-load-x4-loss', 'ping-load-x4', '%', 'lower', '  pings lost', true),
  metric('idle-cpu', 'idle', '% core', 'lower', 'CPU of one node, idle'),
  metric('memory-load', 'memory', 'MB', 'lower', 'memory of one node under load (VmRSS)'),
  metric('memory-peak', 'memory', 'MB', 'lower', 'memory of one node, peak since start (VmHWM)'),
  metric('memory', 'memory', 'MB', 'lower', 'memory of one node after load (VmRSS)'),
];

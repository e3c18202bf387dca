// Loaded into an agent by NODE_OPTIONS=--import: at SIGUSR2 its main thread, and with it all JavaScript, stands still for two
// seconds. What the threads of the data plane do meanwhile is what is tested.
process.on('SIGUSR2', () => {
  process.stdout.write('stalled\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
  process.stdout.write('awake\n');
});

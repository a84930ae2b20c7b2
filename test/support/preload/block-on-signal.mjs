// Loaded into a node with --import: SIGUSR2 blocks its event loop for 4 s, as a runaway computation would.
process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4_000);
});

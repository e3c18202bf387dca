// The process that serves an interface, in the foreground or as the daemon.

import { availableParallelism } from 'node:os';
import { WeftError } from '../core/errors.js';
import { releaseStartUpCode } from '../dataplane/native.js';
import { createLogger, parseLogLevel } from '../node/logger.js';
import { createNode } from '../node/node.js';
import { parseDescriptor } from './arguments.js';
import { parseEngine } from './engine.js';

/**
 * Serves until a signal, or until the interface or its socket is removed.
 * @param onReady called once the socket accepts
 */
export async function serve(interfaceName: string, onReady: () => void): Promise<void> {
  // Before anybody can know that we run: a signal that comes during the start ends it in order too.
  let closeAtOnce = false;
  let close = (): void => {
    closeAtOnce = true;
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => close());

  const node = await createNode({
    interfaceName,
    tunFd: descriptor('WG_TUN_FD'),
    uapiFd: descriptor('WG_UAPI_FD'),
    engine: parseEngine(process.env, availableParallelism()),
    logger: createLogger(parseLogLevel(process.env.LOG_LEVEL), interfaceName),
  });
  close = () => void node.close();
  if (closeAtOnce) close();
  onReady();
  releaseStartUpCode();
  await node.closed;
}

function descriptor(name: string): number | undefined {
  const fd = parseDescriptor(process.env[name]);
  if (fd === null) throw new WeftError('EDESCRIPTOR', `${name} is no descriptor number`);
  return fd;
}

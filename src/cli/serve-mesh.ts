// The process of a mesh node, in the foreground or as the daemon.

import { availableParallelism } from 'node:os';
import { messageOf } from '../core/errors.js';
import { releaseStartUpCode } from '../dataplane/native.js';
import { openAgent } from '../node/agent.js';
import type { Config } from '../node/config.js';
import { jsonSink, MeshLog, textSink } from '../node/mesh-log.js';
import type { Context } from './command.js';
import { parseEngine } from './engine.js';

/**
 * Serves until a signal, weft down, or until the interface is removed.
 * @param onReady called once the interface is up and the control socket accepts
 */
export async function serveMesh(
  context: Context,
  config: Config,
  onReady: () => void,
): Promise<void> {
  // Before anybody can know that we run: a signal that comes during the start ends it in order too.
  let endAtOnce = false;
  let down = (): void => {
    endAtOnce = true;
  };
  let reload = (): void => {};
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => down());
  process.on('SIGHUP', () => reload());

  const sink = process.stdout.isTTY
    ? textSink((text) => process.stdout.write(text))
    : jsonSink(config.device, 1);
  const log = new MeshLog(config.logLevel, sink);
  const agent = await openAgent({
    paths: context.paths,
    log,
    config,
    version: context.version,
    engine: parseEngine(process.env, availableParallelism()),
  });
  down = () => void agent.down();
  reload = () => {
    agent.reload().catch((error: unknown) => {
      log.error('reload failed', { reason: messageOf(error) });
    });
  };
  if (endAtOnce) down();
  onReady();
  releaseStartUpCode();
  await agent.closed;
}

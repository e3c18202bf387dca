// Composition root of `weft up`: a mesh node and its control socket.

import { WeftError } from '../core/errors.js';
import { isServed } from './control-client.js';
import { createHandlers } from './control-handlers.js';
import { controlSocketPath } from './control-protocol.js';
import { ControlServer } from './control-server.js';
import { type MeshNodeOptions, openMeshNode } from './open-mesh-node.js';

export interface Agent {
  /** Resolves when the interface and the sockets are gone. */
  readonly closed: Promise<void>;
  reload(): Promise<unknown>;
  /** Tells the others, then ends. */
  down(): Promise<void>;
}

/**
 * On return the interface is up and the control socket accepts.
 * @throws WeftError with a message that says what to do; nothing is left behind
 */
export async function openAgent(options: MeshNodeOptions): Promise<Agent> {
  const { device } = options.config;
  const socketPath = controlSocketPath(options.paths.run, device);
  if (await isServed(socketPath)) {
    const message = `${device} is up already: see weft status, apply changes with weft reload, end it with weft down`;
    throw new WeftError('EUP', message);
  }
  const node = await openMeshNode(options);
  try {
    const control = await ControlServer.open(socketPath, createHandlers(node), options.log);
    return {
      closed: node.closed.then(() => control.close()),
      reload: () => node.reload(),
      down: () => node.down(),
    };
  } catch (error) {
    await node.down();
    throw error;
  }
}

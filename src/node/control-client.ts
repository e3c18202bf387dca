// The asking side of the control socket.

import { connect } from 'node:net';
import { WeftError } from '../core/errors.js';
import { LineSplitter, parseReply } from './control-protocol.js';

export interface AskOptions {
  onEvent?(event: unknown): void;
  /** Ends the request early; what came so far has been handed over. */
  readonly signal?: AbortSignal;
}

/**
 * Sends one request and waits for its result.
 * @throws WeftError ENOTRUNNING if nobody serves the socket, else what the node answered
 */
export function ask(
  socketPath: string,
  command: string,
  parameters: Readonly<Record<string, unknown>> = {},
  options: AskOptions = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => {
      socket.write(`${JSON.stringify({ command, arguments: parameters })}\n`);
    });
    const finish = (settle: () => void) => {
      settle();
      socket.destroy();
    };
    const lines = new LineSplitter(Number.POSITIVE_INFINITY, (line) => {
      const reply = parseReply(line);
      if (reply === null) return;
      if ('event' in reply) options.onEvent?.(reply.event);
      else if ('result' in reply) finish(() => resolve(reply.result));
      else finish(() => reject(new WeftError(reply.error.code, reply.error.message)));
    });
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => lines.push(text));
    socket.on('error', (error: NodeJS.ErrnoException) => reject(connectError(error, socketPath)));
    socket.on('close', () => reject(new WeftError('ENOTRUNNING', 'the node has ended')));
    options.signal?.addEventListener('abort', () => finish(() => resolve(null)));
  });
}

/** True if a node serves the socket. */
export async function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function connectError(error: NodeJS.ErrnoException, socketPath: string): WeftError {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new WeftError('EACCES', `${socketPath} is for root only: use sudo`);
  }
  return new WeftError(
    'ENOTRUNNING',
    `no node is running (nobody serves ${socketPath}): start it with weft up`,
  );
}

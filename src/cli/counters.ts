// `weft-wg --counters IF`: asks a running node over its UAPI socket.

import { connect } from 'node:net';
import { WeftError } from '../core/errors.js';
import { socketPathOf } from '../node/uapi-server.js';

/** @throws WeftError ENOTRUNNING if nothing serves the interface */
export function printCounters(interfaceName: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(socketPathOf(interfaceName), () => socket.end('counters=1\n\n'));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('end', () => {
      process.stdout.write(`${text.trimEnd()}\n`);
      resolve();
    });
    socket.on('error', (error) => {
      const message = `cannot ask ${interfaceName} (${error.message}): is it running, and are you root?`;
      reject(new WeftError('ENOTRUNNING', message));
    });
  });
}

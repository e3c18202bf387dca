// The control socket of a running mesh node, /run/weft/IF.sock: only root may open it. Each line is a request to one of
// the handlers; requests of one connection are answered one after the other.

import type { Socket } from 'node:net';
import { WeftError } from '../core/errors.js';
import {
  type ControlReply,
  type ControlRequest,
  LineSplitter,
  MAX_REQUEST_BYTES,
  parseRequest,
} from './control-protocol.js';
import type { Logger } from './logger.js';
import { UapiServer } from './uapi-server.js';

/** Requests of one connection that may wait for the one being answered. */
const MAX_WAITING = 16;

/** The asker's side while a request is answered. */
export interface Asker {
  /** Sends an event ahead of the result. */
  send(event: unknown): void;
  /** Resolves when the asker has gone, or says no more. */
  readonly gone: Promise<void>;
}

export type Handler = (
  parameters: Readonly<Record<string, unknown>>,
  asker: Asker,
) => unknown | Promise<unknown>;

export type Handlers = Readonly<Record<string, Handler>>;

export class ControlServer {
  readonly #server: UapiServer;

  private constructor(server: UapiServer) {
    this.#server = server;
  }

  /** @throws WeftError EUAPIINUSE if another process serves the socket, EUAPI if it cannot be created */
  static async open(path: string, handlers: Handlers, logger: Logger): Promise<ControlServer> {
    const server = await UapiServer.open({
      path,
      onConnection: (socket) => serve(socket, handlers, logger),
      // Unlike the UAPI socket's, its removal ends nothing: the tunnels run on.
      onRemoved: () =>
        logger.error('control socket removed: the weft command cannot reach this node'),
    });
    return new ControlServer(server);
  }

  close(): Promise<void> {
    return this.#server.close();
  }
}

function serve(socket: Socket, handlers: Handlers, logger: Logger): void {
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  const reply = (value: ControlReply) => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(value)}\n`);
  };
  const asker: Asker = {
    send: (event) => reply({ event }),
    gone: new Promise((resolve) => {
      socket.once('end', resolve);
      socket.once('close', () => resolve());
    }),
  };
  const answer = async (line: string) => {
    const request = parseRequest(line);
    reply(request === null ? MALFORMED : await perform(request, handlers, asker, logger));
  };
  const lines = new LineSplitter(MAX_REQUEST_BYTES, (line) => {
    if (++waiting > MAX_WAITING) socket.destroy();
    last = last.then(() => answer(line)).finally(() => waiting--);
  });
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', (text: string) => {
    if (!lines.push(text)) socket.destroy();
  });
  socket.on('end', () => void last.then(() => socket.end()));
}

const MALFORMED: ControlReply = {
  error: { code: 'EREQUEST', message: 'not a request: the command and the node differ in version' },
};

async function perform(
  { command, arguments: parameters }: ControlRequest,
  handlers: Handlers,
  asker: Asker,
  logger: Logger,
): Promise<ControlReply> {
  const handler = Object.hasOwn(handlers, command) ? handlers[command] : undefined;
  if (handler === undefined) {
    return { error: { code: 'EREQUEST', message: `the running node does not know '${command}'` } };
  }
  try {
    return { result: (await handler(parameters, asker)) ?? null };
  } catch (error) {
    if (error instanceof WeftError) return { error: { code: error.code, message: error.message } };
    logger.error('request failed', { command, err: error });
    return { error: { code: 'EINTERNAL', message: `${command} failed: see weft log` } };
  }
}

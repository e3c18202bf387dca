// A listening socket with a name in the file system: the UAPI socket of an interface (/var/run/wireguard/IF.sock), and
// the control socket of a mesh node. It tells when somebody removes the file.

import { type FSWatcher, linkSync, mkdirSync, rmSync, statSync, unlinkSync, watch } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { messageOf, WeftError } from '../core/errors.js';

/** Where `wg` looks. */
export const SOCKET_DIRECTORY = '/var/run/wireguard';

export function socketPathOf(interfaceName: string, directory: string = SOCKET_DIRECTORY): string {
  return join(directory, `${interfaceName}.sock`);
}

export interface UapiServerOptions {
  readonly path: string;
  /** A listening socket handed over by the caller (WG_UAPI_FD), instead of one bound to `path`. */
  readonly fd?: number | undefined;
  onConnection(socket: Socket): void;
  /** Somebody removed the socket file. */
  onRemoved(): void;
}

export class UapiServer {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #watcher: FSWatcher | null = null;
  /** The socket file that is ours to remove. */
  #file: { readonly path: string; readonly inode: number } | null = null;

  private constructor(options: UapiServerOptions) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
      options.onConnection(socket);
    });
  }

  /**
   * Listens. A socket file that nobody listens on is replaced. If it fails nothing is left behind.
   * @throws WeftError EUAPIINUSE if another process serves it, EUAPI if it cannot be created
   */
  static async open(options: UapiServerOptions): Promise<UapiServer> {
    const server = new UapiServer(options);
    try {
      await server.#open(options);
    } catch (error) {
      await server.close();
      if (error instanceof WeftError) throw error;
      throw new WeftError('EUAPI', `cannot create the socket ${options.path}: ${messageOf(error)}`);
    }
    return server;
  }

  /** Closes all connections and removes the socket file. */
  close(): Promise<void> {
    this.#watcher?.close();
    if (this.#file !== null && inodeOf(this.#file.path) === this.#file.inode) {
      unlinkSync(this.#file.path);
    }
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#connections) socket.destroy();
    return closed;
  }

  async #open({ path, fd, onRemoved }: UapiServerOptions): Promise<void> {
    if (fd === undefined) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      await this.#bind(path);
    } else {
      await this.#listen({ fd });
    }
    this.#watch(path, onRemoved);
  }

  /** The socket gets its name once it accepts: `wg` removes one that refuses it. */
  async #bind(path: string): Promise<void> {
    const unnamed = join(dirname(path), `.${basename(path)}.${process.pid}`);
    await this.#listen({ path: unnamed });
    try {
      if (!linked(unnamed, path)) {
        if (await accepts(path)) {
          throw new WeftError(
            'EUAPIINUSE',
            `the socket ${path} is in use: end the process that serves it, or choose another interface name`,
          );
        }
        unlinkSync(path);
        linkSync(unnamed, path);
      }
    } finally {
      rmSync(unnamed, { force: true });
    }
  }

  #listen(where: { path: string } | { fd: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // listen() binds before it returns, so the mask covers just that.
      const mask = process.umask(0o077);
      this.#server.listen(where, () => {
        this.#server.off('error', reject);
        resolve();
      });
      process.umask(mask);
    });
  }

  #watch(path: string, onRemoved: () => void): void {
    const inode = inodeOf(path);
    if (inode === null) return;
    this.#file = { path, inode };
    this.#watcher = watch(dirname(path), () => {
      if (inodeOf(path) === inode) return;
      this.#watcher?.close();
      onRemoved();
    });
  }
}

/** False: there is a file of that name. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

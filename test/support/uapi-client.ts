// A raw client of a UAPI socket.

import { connect, type Socket } from 'node:net';

export class UapiClient {
  readonly #socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#text += chunk.toString();
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', end).on('close', end).on('error', end);
  }

  static async open(path: string): Promise<UapiClient> {
    const socket = connect({ path, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return new UapiClient(socket);
  }

  /** Sends as it is; says whether the system took it at once. */
  send(text: string): boolean {
    return this.#socket.write(text);
  }

  /** Says that nothing more will be sent. */
  finish(text = ''): void {
    this.#socket.end(text);
  }

  /** The next answer, without its blank line; null if the server ended the connection before it. */
  async answer(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const answer = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return answer;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async request(text: string): Promise<string | null> {
    this.send(text);
    return this.answer();
  }

  close(): void {
    this.#socket.destroy();
  }
}

// One connection to the UAPI socket: lines in, answers out, operations one after the other (pipelining). Reading pauses
// while an operation is answered, so neither a slow reader nor an endless request makes memory grow.

import type { Socket } from 'node:net';
import { formatInterface, formatPeer, UapiErrno } from '../wg/uapi.js';
import type { Driver } from './driver.js';
import type { Logger } from './logger.js';
import { createZoneNamer } from './system.js';
import { UapiSet } from './uapi-set.js';

/** As wireguard-go's line scanner has it. */
const MAX_LINE_BYTES = 64 * 1024;
/** An answer to `get` is handed to the socket in pieces of about this size. */
const WRITE_BYTES = 64 * 1024;

type State =
  | { readonly name: 'operation' }
  | { readonly name: 'get' | 'counters' }
  | { readonly name: 'set'; readonly set: UapiSet; lines: string[] }
  /** A `set` failed: its other lines are passed over. */
  | { readonly name: 'skip' };

const OPERATION: State = { name: 'operation' };

export class UapiSession {
  readonly #socket: Socket;
  readonly #driver: Driver;
  readonly #logger: Logger;
  #state: State = OPERATION;
  #partialLine = '';
  #closed = false;

  constructor(socket: Socket, driver: Driver, logger: Logger) {
    this.#socket = socket;
    this.#driver = driver;
    this.#logger = logger;
    socket.on('error', () => this.#close());
    socket.on('data', (chunk) => {
      socket.pause();
      this.#settle(this.#read(chunk));
    });
    // The client may end its side first and still wants the answer.
    socket.on('end', () => this.#settle(this.#readEnd()));
  }

  #settle(work: Promise<void>): void {
    work.then(
      () => this.#socket.resume(),
      (error: unknown) => {
        this.#logger.error('UAPI connection failed', { err: error });
        this.#close();
      },
    );
  }

  #close(): void {
    this.#closed = true;
    this.#socket.destroySoon();
  }

  async #read(chunk: Buffer): Promise<void> {
    const text = this.#partialLine + chunk.toString('latin1');
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const answer = this.#readLine(text.slice(start, end));
      start = end + 1;
      if (answer !== null) await answer;
      if (this.#closed) return;
    }
    this.#partialLine = text.slice(start);
    await this.#applyLines();
    if (this.#partialLine.length > MAX_LINE_BYTES) await this.#refuseLongLine();
  }

  async #readEnd(): Promise<void> {
    if (this.#closed) return;
    if (this.#state.name === 'set') {
      if (this.#partialLine !== '') await this.#readLine(this.#partialLine);
      await this.#readLine('');
    }
    this.#close();
  }

  async #refuseLongLine(): Promise<void> {
    if (this.#state.name === 'set') await this.#answer(UapiErrno.io, 'line too long');
    this.#close();
  }

  /** @returns null if there is nothing to wait for */
  #readLine(line: string): Promise<void> | null {
    const state = this.#state;
    switch (state.name) {
      case 'operation':
        this.#beginOperation(line);
        return null;
      case 'get':
        return this.#answerIfBlank(line, () => this.#writeState());
      case 'counters':
        return this.#answerIfBlank(line, () => this.#writeCounters());
      case 'set': {
        const bare = line.endsWith('\r') ? line.slice(0, -1) : line;
        if (bare === '') return this.#finishSet();
        state.lines.push(bare);
        return null;
      }
      case 'skip':
        if (line === '') this.#state = OPERATION;
        // a client that saw the error at once and goes on without ending the operation
        else if (line === 'get=1' || line === 'set=1') this.#beginOperation(line);
        return null;
    }
  }

  #beginOperation(line: string): void {
    if (line === 'get=1') this.#state = { name: 'get' };
    else if (line === 'counters=1') this.#state = { name: 'counters' };
    else if (line === 'set=1')
      this.#state = { name: 'set', set: new UapiSet(this.#driver), lines: [] };
    else {
      this.#logger.error('invalid UAPI operation');
      this.#close();
    }
  }

  async #answerIfBlank(line: string, write: () => Promise<void>): Promise<void> {
    this.#state = OPERATION;
    if (line === '') return write();
    await this.#answer(UapiErrno.invalid, 'trailing characters after the operation');
    this.#close();
  }

  /** Applies what has been read of a `set`; the first bad line is answered at once. */
  async #applyLines(): Promise<void> {
    const state = this.#state;
    if (state.name !== 'set' || state.lines.length === 0) return;
    const failure = state.set.apply(state.lines);
    state.lines = [];
    if (failure === null) return;
    this.#state = { name: 'skip' };
    await this.#answer(failure.errno, failure.reason);
  }

  async #finishSet(): Promise<void> {
    await this.#applyLines();
    const state = this.#state;
    this.#state = OPERATION;
    if (state.name !== 'set') return;
    const failure = state.set.finish();
    if (failure !== null) return this.#answer(failure.errno, failure.reason);
    await this.#driver.dataPlane.sync();
    this.#logger.debug('UAPI set applied');
    await this.#answer(UapiErrno.ok);
  }

  async #answer(errno: number, reason?: string): Promise<void> {
    if (reason !== undefined) this.#logger.error('UAPI request refused', { errno, reason });
    await this.#write(`errno=${errno}\n\n`);
  }

  async #writeState(): Promise<void> {
    const { device, dataPlane, listenPort, firewallMark } = this.#driver;
    const nameZone = createZoneNamer();
    let text = formatInterface({ privateKey: device.privateKey, listenPort, firewallMark });
    for (const peer of device.peers()) {
      text += formatPeer(peer, dataPlane.stats, nameZone);
      if (text.length < WRITE_BYTES) continue;
      await this.#write(text);
      if (this.#closed) return;
      text = '';
    }
    await this.#write(`${text}errno=${UapiErrno.ok}\n\n`);
  }

  /** weft's own operation: one line of JSON, then a blank one. */
  async #writeCounters(): Promise<void> {
    const { device, dataPlane } = this.#driver;
    const counters = {
      drops: dataPlane.drops(),
      engine: dataPlane.engineCounters(),
      device: device.counters(),
    };
    const json = JSON.stringify(counters, (_, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    );
    await this.#write(`${json}\n\n`);
  }

  /** Resolves when the socket has room again. */
  #write(text: string): Promise<void> {
    if (this.#closed || this.#socket.write(text, 'latin1')) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off('drain', done).off('close', done);
        resolve();
      };
      this.#socket.on('drain', done).on('close', done);
    });
  }
}

/**
 * One benchmark at a time on a machine: a session waits for its turn. Runs that were started beside
 * each other thus alternate, instead of spoiling each other's figures.
 */
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { sleep } from './command.mjs';
import { BenchError } from './errors.mjs';
import { interrupted } from './life.mjs';

const DIRECTORY = '/run';
const NAME = 'weft-bench.turn';
const PATH = `${DIRECTORY}/${NAME}`;
const POLL_MS = 100;

let held = false;

const isAlive = (pid) => existsSync(`/proc/${pid}`);

/** Waits until nobody else has it, and nobody has waited longer. */
export async function takeTurn() {
  if (held) return;
  // Linked, it appears with its content in one step. The names order those who wait.
  const ticket = `${NAME}.${Date.now()}.${process.pid}`;
  writeFileSync(`${DIRECTORY}/${ticket}`, `${process.pid}`);
  try {
    for (let polls = 0; !take(ticket); polls++) {
      if (interrupted()) throw new BenchError('interrupted');
      const holder = readHolder();
      if (polls === 0) process.stderr.write(`waiting for another benchmark (pid ${holder})\n`);
      // Killed, it could not give its turn back.
      if (holder !== null && !isAlive(holder)) rmSync(PATH, { force: true });
      else await sleep(POLL_MS);
    }
  } finally {
    rmSync(`${DIRECTORY}/${ticket}`, { force: true });
  }
}

function take(ticket) {
  if (!isFirst(ticket)) return false;
  try {
    linkSync(`${DIRECTORY}/${ticket}`, PATH);
    held = true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  return held;
}

function isFirst(ticket) {
  return !readdirSync(DIRECTORY).some(
    (name) => name.startsWith(`${NAME}.`) && name < ticket && isAlive(name.split('.').at(-1)),
  );
}

export function endTurn() {
  if (held) rmSync(PATH, { force: true });
  held = false;
}
process.on('exit', endTurn);

function readHolder() {
  try {
    return Number(readFileSync(PATH, 'utf8'));
  } catch {
    return null;
  }
}

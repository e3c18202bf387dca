import { expect, test } from 'vitest';
import { formatLogLine, jsonSink, type LogLine, MeshLog, textSink } from './mesh-log.js';

function log(level: 'error' | 'warn' | 'info' | 'debug' = 'info') {
  const written: LogLine[] = [];
  return { log: new MeshLog(level, (line) => written.push(line)), written };
}

test('lines below the level are neither written nor kept', () => {
  const { log: it, written } = log('warn');
  it.info('a');
  it.debug('b');
  it.warn('c');
  it.error('d');
  expect(written.map(({ message }) => message)).toEqual(['c', 'd']);
  expect(it.last(10)).toEqual(written);
});

test('a bounded number of lines is kept', () => {
  const { log: it } = log();
  for (let i = 0; i < 1_500; i++) it.info(`${i}`);
  expect(it.last(Number.POSITIVE_INFINITY)).toHaveLength(1_000);
  expect(it.last(2).map(({ message }) => message)).toEqual(['1498', '1499']);
  expect(it.last(0)).toEqual([]);
});

test('a follower sees new lines until it ends', () => {
  const { log: it } = log();
  const seen: string[] = [];
  it.info('before');
  const end = it.follow(({ message }) => seen.push(message));
  it.info('now');
  end();
  it.info('after');
  expect(seen).toEqual(['now']);
});

test('text is one line a line, and quotes what needs it', () => {
  const line = { timeMs: 0, level: 'info', message: 'member joined' } as const;
  const fields = { name: 'ams2', detail: 'two words', n: 1, nothing: undefined };
  expect(formatLogLine({ ...line, fields })).toBe(
    '1970-01-01 00:00:00.000 INFO  member joined name=ams2 detail="two words" n=1 nothing=undefined',
  );
  const texts: string[] = [];
  textSink((text) => texts.push(text))({ ...line, fields: { text: 'a\nb' } });
  expect(texts.join('')).toMatch(/^[^\n]+\n$/);
});

test('text from others cannot move the cursor, nor reorder the line', () => {
  const line = { timeMs: 0, level: 'info', message: 'm' } as const;
  const text = formatLogLine({ ...line, fields: { a: '\x1b[2J', b: '\x9b2J x', c: '\u202eab' } });
  expect(text).toMatch(/^[ -~]+$/);
});

test('JSON is pino’s, without secrets', () => {
  let text = '';
  const destination = {
    write: (chunk: string) => {
      text += chunk;
    },
  };
  jsonSink(
    'weft0',
    destination,
  )({
    timeMs: 0,
    level: 'warn',
    message: 'hello',
    fields: { privateKey: 'secret', name: 'x' },
  });
  expect(JSON.parse(text)).toMatchObject({
    level: 40,
    msg: 'hello',
    name: 'x',
    interface: 'weft0',
  });
  expect(text).not.toContain('secret');
});

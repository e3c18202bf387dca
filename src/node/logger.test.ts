import { describe, expect, test } from 'vitest';
import { createLogger, parseLogLevel } from './logger.js';

function collect(level: 'silent' | 'error' | 'debug') {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  return { lines, logger: createLogger(level, 'wg0', { write }) };
}

test('LOG_LEVEL is read as wireguard-go reads it', () => {
  const levels = ['verbose', 'debug', 'error', 'silent', 'nonsense', '', undefined].map(
    parseLogLevel,
  );
  expect(levels).toEqual(['debug', 'debug', 'error', 'silent', 'error', 'error', 'error']);
});

describe('a logger', () => {
  test.each([
    ['silent', []],
    ['error', ['an error']],
    ['debug', ['an error', 'a detail']],
  ] as const)('of level %s', (level, messages) => {
    const { lines, logger } = collect(level);
    logger.error('an error');
    logger.debug('a detail', { port: 1 });
    expect(lines.map(({ msg }) => msg)).toEqual(messages);
  });

  test('names the interface', () => {
    const { lines, logger } = collect('error');
    logger.error('an error', { port: 5 });
    expect(lines[0]).toMatchObject({ interface: 'wg0', port: 5, msg: 'an error' });
  });

  test('hides keys, also one level down', () => {
    const { lines, logger } = collect('error');
    logger.error('an error', { privateKey: 'secret', peer: { presharedKey: 'secret' } });
    expect(lines[0]).toMatchObject({
      privateKey: '(hidden)',
      peer: { presharedKey: '(hidden)' },
    });
  });
});

// Gives one run of the suite its name, and removes the namespaces that killed workers left behind.
import { execFileSync } from 'node:child_process';
import { NAMESPACE_PREFIX, RUN_VARIABLE } from './names.js';

export default function setup(): () => void {
  const run = process.pid.toString(36);
  process.env[RUN_VARIABLE] = run;
  return () => {
    if (process.getuid?.() !== 0) return;
    for (const line of lines(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }))) {
      const name = line.split(' ')[0] ?? '';
      if (name.startsWith(`${NAMESPACE_PREFIX}-${run}-`)) removeNamespace(name);
    }
  };
}

function removeNamespace(name: string): void {
  for (const pid of lines(execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }))) {
    process.kill(Number(pid), 'SIGKILL');
  }
  execFileSync('ip', ['netns', 'del', name]);
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

// Finds or builds wireguard-go once, before the workers start.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const PATH_VARIABLE = 'WEFT_INTEROP_WIREGUARD_GO';
export const REASON_VARIABLE = 'WEFT_INTEROP_SKIP_REASON';

export default function setup(): void {
  const script = fileURLToPath(new URL('./wireguard-go.sh', import.meta.url));
  const done = spawnSync(script, { encoding: 'utf8', timeout: 180_000 });
  if (done.status === 0) process.env[PATH_VARIABLE] = done.stdout.trim().split('\n').at(-1);
  else process.env[REASON_VARIABLE] = done.stderr.trim();
}

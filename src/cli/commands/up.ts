// weft up: starts the node, in the foreground or as a daemon.

import { readConfig } from '../../node/settings.js';
import { type Command, type Context, reasonOf } from '../command.js';
import { launchDaemon, launcher } from '../daemon.js';

export const up: Command = {
  help: `Usage: weft up [-d]

Starts the node of this host: creates the interface, joins the mesh, and serves until weft down or SIGTERM. SIGHUP is
weft reload. Logs go to standard output, in words on a terminal and as JSON otherwise. WEFT_ENGINE, WEFT_WORKERS, WEFT_IO and the
other variables of the data plane are those of weft-wg.

  -d, --daemon        return when the interface is up; the node runs on in the background (weft log shows its log)
`,
  options: { daemon: { type: 'boolean', short: 'd' } },
  run,
};

async function run(context: Context): Promise<void> {
  context.arguments(0, 0, 'weft up takes options only');
  const config = readConfig(context.paths.config);
  if (context.flag('daemon')) {
    await launchDaemon(context.script, ['up', ...pathOptions(context)]);
    context.print({ device: config.device }, ({ device }) => `${device} is up\n`);
    return;
  }
  const parent = launcher();
  let ready = false;
  try {
    const { serveMesh } = await import('../serve-mesh.js');
    await serveMesh(context, config, () => {
      ready = true;
      parent?.ready();
    });
  } catch (error) {
    if (parent !== null && !ready) {
      parent.failed(reasonOf(error));
    }
    throw error;
  }
}

/** The daemon runs in another directory: paths are made absolute. */
function pathOptions({ paths }: Context): string[] {
  return ['--config', paths.config, '--state-dir', paths.state, '--run-dir', paths.run];
}

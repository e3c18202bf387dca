// The command line of weft-wg. Kept apart and free of imports: the launching process loads little more than this.

export type Command =
  | { readonly type: 'help' }
  | { readonly type: 'version' }
  | { readonly type: 'counters' | 'watch'; readonly interfaceName: string }
  | { readonly type: 'run'; readonly interfaceName: string; readonly foreground: boolean }
  | { readonly type: 'misuse'; readonly message: string };

export const USAGE = `Usage: weft-wg [-f|--foreground] INTERFACE
       weft-wg --counters INTERFACE | --watch INTERFACE | --version | --help

Creates the WireGuard interface INTERFACE, to be configured with wg(8) or wg-quick(8), and serves it until SIGTERM,
SIGINT, 'ip link delete INTERFACE' or the removal of /var/run/wireguard/INTERFACE.sock.

  -f, --foreground  stay in the foreground
  --counters        print the counters of a running interface as JSON
  --watch           print their rates each second
  --version         print the version
  --help            print this

Environment:
  LOG_LEVEL                   verbose or debug, error (default), silent
  WG_PROCESS_FOREGROUND=1     as --foreground
  WG_TUN_FD, WG_UAPI_FD       open descriptors of the TUN and of the listening UAPI socket
  WEFT_ENGINE                 auto (default: by the number of CPUs), single, workers, multiqueue
  WEFT_WORKERS                1 to 16: threads of workers or multiqueue (default: by the number of CPUs)
  WEFT_IO                     epoll (default), io_uring: how packets are received, sent and written
  WEFT_BUSY_POLL_US           0 (default) to 1000000: SO_BUSY_POLL of the UDP sockets, in microseconds
  WEFT_SCHED_FIFO             1: the data threads run in real time, at the lowest priority; 0: never
                              (default: one thread on several CPUs does so while much passes)
`;

/** @param argv without the interpreter and the script */
export function parseArguments(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const [first, second] = argv;
  if (first === undefined) return misuse('which interface?');
  if (first === '--help' || first === '-h') return { type: 'help' };
  if (first === '--version') return { type: 'version' };
  const takesName =
    first === '-f' || first === '--foreground' || first === '--counters' || first === '--watch';
  const interfaceName = takesName ? second : first;
  if (argv.length > (takesName ? 2 : 1)) return misuse('too many arguments');
  if (interfaceName === undefined) return misuse(`${first} needs an interface name`);
  if (interfaceName.startsWith('-')) return misuse(`unknown option '${interfaceName}'`);
  if (first === '--counters') return { type: 'counters', interfaceName };
  if (first === '--watch') return { type: 'watch', interfaceName };
  const foreground = takesName || environment.WG_PROCESS_FOREGROUND === '1';
  return { type: 'run', interfaceName, foreground };
}

function misuse(message: string): Command {
  return { type: 'misuse', message };
}

/** @returns undefined if the variable is not set; null if it is no descriptor number */
export function parseDescriptor(text: string | undefined): number | null | undefined {
  if (text === undefined || text === '') return undefined;
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : null;
}

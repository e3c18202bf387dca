/** A handshake through the core: both sides, each side alone, and the refusal of junk. */
import { createPair } from './devices.mjs';

const required = (message) => {
  if (message === null) throw new Error('the core sent no handshake message');
  return message;
};

/** @param {import('tinybench').Bench} bench */
export function addTasks(bench) {
  const whole = createPair();
  bench.add('both sides', () => {
    whole.nextRound();
    whole.finish(required(whole.respond(required(whole.initiate()))));
  });

  const first = createPair();
  bench.add('initiator: initiation', () => required(first.initiate()), {
    beforeEach: () => first.nextRound(),
  });

  const second = createPair();
  let initiation;
  bench.add('responder: initiation to response', () => required(second.respond(initiation)), {
    beforeEach: () => {
      second.nextRound();
      initiation = required(second.initiate());
    },
  });

  const third = createPair();
  let response;
  bench.add('initiator: response to keys', () => third.finish(response), {
    beforeEach: () => {
      third.nextRound();
      response = required(third.respond(required(third.initiate())));
    },
  });

  const target = createPair();
  const forged = new Uint8Array(148);
  forged[0] = 1;
  bench.add('responder: initiation with a bad mac1', () => {
    target.respond(forged);
  });
}

import { describe, expect, it } from 'vitest';
import { attribute, linesOf, parseSamples } from './stacks.mjs';
import { formatStages, STAGES, stageOf, stageWeights } from './stages.mjs';

describe('stageOf', () => {
  it('knows every part of a packet’s way in the sample', async () => {
    const file = new URL('sample.perf-script.txt', import.meta.url);
    const ends = { sender: [13863, 13897], receiver: [13876] };
    const stages = [];
    for await (const sample of parseSamples(linesOf(file))) {
      const { thread, frames } = attribute(sample, ends);
      stages.push(stageOf([thread, ...frames].join(';')));
    }
    expect(stages).toEqual([
      'seal',
      'open',
      'TUN read',
      'kernel network stack',
      'load (iperf3, ping)',
      'idle',
      'kernel network stack',
      'other processes',
      'copy, checksum',
      'Node, JavaScript',
    ]);
  });

  const sender = (...frames) => stageOf(['weft-data (sender)', ...frames].join(';'));

  it.each([
    ['UDP send', ['weft::engine::SendBatch::flush', '__libc_sendmsg', 'udp_sendmsg_[k]']],
    ['UDP send', ['udp_sendmsg_[k]', '__ip_append_data_[k]', '_copy_from_iter_[k]']],
    ['UDP send', ['udp_sendmsg_[k]', 'ip_make_skb_[k]']],
    ['kernel network stack', ['udp_sendmsg_[k]', 'udp_send_skb_[k]', 'kmem_cache_free_[k]']],
    ['UDP receive', ['weft::engine::Inbound::run', 'recvmmsg', 'entry_SYSCALL_64_[k]']],
    ['scheduler, wake-ups', ['udp_send_skb_[k]', '__udp4_lib_rcv_[k]', 'try_to_wake_up_[k]']],
    ['merge', ['weft::engine::Inbound::run', 'weft::tun::GroMerger::push', '__memmove_evex']],
    ['TUN write', ['weft::tun::GroMerger::close', '__GI___writev', 'tun_get_user_[k]']],
    ['route, plan', ['weft::engine::Outbound::handle', 'weft::routing::AllowedIps::lookup4']],
    ['replay, deliver', ['weft::engine::Inbound::run', 'weft::routing::AllowedIps::lookup4']],
    ['open', ['weft::engine::Inbound::run', 'weft::crypto::avx2::run<true>']],
    ['open', ['weft::engine::Inbound::run', 'crypto_aead_chacha20poly1305_ietf_decrypt']],
    ['seal', ['weft::engine::Outbound::run', 'crypto_aead_chacha20poly1305_ietf_encrypt']],
    ['engine, other', ['weft::engine::DataPlane::run', 'clock_gettime']],
  ])('%s: %j', (stage, frames) => {
    expect(sender(...frames)).toBe(stage);
  });

  it('leaves what is not the tunnel’s to whom it belongs', () => {
    expect(stageOf('perf;main;__schedule_[k]')).toBe('perf');
    expect(stageOf('other processes;cc1plus')).toBe('other processes');
    expect(stageOf('other processes;weft-data')).toBe('other processes');
    expect(stageOf('swapper;do_idle_[k];schedule_idle_[k];__schedule_[k]')).toBe(
      'scheduler, wake-ups',
    );
    expect(stageOf('ksoftirqd/0;run_ksoftirqd_[k];net_rx_action_[k];tcp_v4_rcv_[k]')).toBe(
      'kernel network stack',
    );
  });
});

describe('the table', () => {
  const stacks = new Map([
    ['weft-data (sender);weft::crypto::seal', 300],
    ['iperf3 (sender);tcp_sendmsg_[k]', 100],
    ['swapper;do_idle_[k]', 600],
  ]);

  it('gives every sample to one stage', () => {
    const weights = stageWeights(stacks);
    expect(Object.keys(weights)).toEqual(STAGES);
    expect(weights.seal).toBe(300);
    expect(Object.values(weights).reduce((sum, weight) => sum + weight)).toBe(1000);
  });

  it('says the share of all, of the tunnel, and a unit of work', () => {
    const work = { quantity: 'cycles', unit: 'byte', units: 50 };
    const lines = formatStages(stageWeights(stacks), work).split('\n');
    expect(lines[0]).toMatch(/stage +share +of tunnel +cycles\/byte/);
    expect(lines).toContainEqual(expect.stringMatching(/^seal +30\.0 % +75\.0 % +6\.00$/));
    expect(lines).toContainEqual(
      expect.stringMatching(/^the tunnel, all +40\.0 % +100\.0 % +8\.00$/),
    );
    expect(lines).toContainEqual(expect.stringMatching(/^idle +60\.0 % +12\.0$/));
  });
});

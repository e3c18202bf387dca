// What is looked up for each packet: the peer of an address, the keypair of a receiver index, the replay window. 1,024
// keys of a table come again and again, in random order: as many busy peers. Writes JSON to stdout.
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "measure.h"
#include "peer/replay_filter.h"
#include "routing/allowed_ips.h"
#include "routing/index_table.h"
#include "util/bytes.h"

namespace {

using weft::bench::keep;
using weft::bench::Report;
using Address = std::array<uint8_t, 16>;

constexpr size_t kLookups = 1024;  // a round

std::string counted(size_t n, const char* what) { return std::to_string(n) + ' ' + what; }

// The n-th /32 or /64 of the table; consecutive ones share long prefixes, as those of one network do.
Address address(int family, uint32_t n) {
  Address a = {};
  if (family == 4) {
    weft::store_be32(a.data(), 10u << 24 | n);
  } else {
    weft::store_be32(a.data(), 0xfd000000);
    weft::store_be32(a.data() + 4, n);
    a[15] = 1;
  }
  return a;
}

void allowed_ips(Report& report, int family, size_t prefixes) {
  weft::routing::AllowedIps table;
  for (uint32_t i = 0; i < prefixes; ++i) {
    table.insert(family, address(family, i).data(), family == 4 ? 32 : 64, i % 1000);
  }
  std::mt19937 random(1);
  std::vector<Address> addresses(kLookups);
  for (Address& a : addresses) a = address(family, static_cast<uint32_t>(random() % prefixes));
  const std::string name = "allowed IPs, " + counted(prefixes, family == 4 ? "IPv4 prefixes" : "IPv6 prefixes");
  report.per_operation(name, kLookups, [&] {
    for (const Address& a : addresses) keep(family == 4 ? table.lookup4(a.data()) : table.lookup6(a.data()));
  });
}

void index_table(Report& report, size_t keypairs) {
  weft::routing::IndexTable<int> table;
  std::mt19937 random(2);
  std::vector<uint32_t> indices(keypairs);
  int keypair = 0;
  for (uint32_t& index : indices) table.insert(index = static_cast<uint32_t>(random()), &keypair);
  std::vector<uint32_t> wanted(kLookups);
  for (uint32_t& index : wanted) index = indices[random() % keypairs];
  report.per_operation("receiver index, " + counted(keypairs, "keypairs"), kLookups, [&] {
    for (const uint32_t index : wanted) keep(table.find(index));
  });
}

void replay(Report& report) {
  weft::peer::ReplayFilter filter;
  uint64_t next = 1;
  report.per_operation("replay filter, in order", kLookups, [&] {
    for (size_t i = 0; i < kLookups; ++i) keep(filter.accept(next++));
  });
  report.per_operation("replay filter, pairs swapped", kLookups, [&] {
    for (size_t i = 0; i < kLookups; i += 2, next += 2) {
      keep(filter.accept(next + 1));
      keep(filter.accept(next));
    }
  });
  report.per_operation("replay filter, replays refused", kLookups, [&] {
    for (size_t i = 1; i <= kLookups; ++i) keep(filter.accept(next - i));
  });
}

}  // namespace

int main() {
  Report report;
  for (const int family : {4, 6}) {
    for (const size_t prefixes : {1u, 1'000u, 100'000u}) allowed_ips(report, family, prefixes);
  }
  for (const size_t keypairs : {2u, 2'000u, 100'000u}) index_table(report, keypairs);
  replay(report);
}

#include "util/file_pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

namespace weft {
namespace {

struct Mapping {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool writable = false;
  std::string path;
  size_t resident_kib = 0;
  size_t own_kib = 0;  // changed: a file has no copy
};

// The first line of a mapping: begin-end rwxp offset device inode path.
bool parse_first_line(const std::string& line, Mapping& mapping) {
  unsigned long begin = 0;
  unsigned long end = 0;
  char rights[5] = {};
  int path = 0;
  if (std::sscanf(line.c_str(), "%lx-%lx %4s %*s %*s %*s %n", &begin, &end, rights, &path) != 3) return false;
  mapping = {.begin = begin, .end = end, .writable = rights[1] == 'w', .path = line.substr(static_cast<size_t>(path))};
  return true;
}

void parse_field(const std::string& line, Mapping& mapping) {
  size_t kib = 0;
  if (std::sscanf(line.c_str(), "Rss: %zu", &kib) == 1) mapping.resident_kib = kib;
  if (std::sscanf(line.c_str(), "Anonymous: %zu", &kib) == 1) mapping.own_kib = kib;
}

std::vector<Mapping> mappings_of(const std::string& path) {
  std::vector<Mapping> found;
  std::ifstream smaps("/proc/self/smaps");
  Mapping first;
  bool wanted = false;
  for (std::string line; std::getline(smaps, line);) {
    if (parse_first_line(line, first)) {
      wanted = first.path == path && !first.writable;
      if (wanted) found.push_back(first);
    } else if (wanted) {
      parse_field(line, found.back());
    }
  }
  return found;
}

}  // namespace

size_t release_file_pages(const std::string& path) {
  size_t released = 0;
  for (const Mapping& mapping : mappings_of(path)) {
    if (mapping.own_kib != 0) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel names it by number
    if (madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED) == 0) {
      released += mapping.resident_kib * 1024;
    }
  }
  return released;
}

}  // namespace weft

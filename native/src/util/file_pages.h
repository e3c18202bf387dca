// Pages of mapped files that the process does not need to hold.
#pragma once

#include <cstddef>
#include <string>

namespace weft {

// Takes the unchanged pages of what is mapped from `path` (as /proc/self/maps names it) out of the process: they count
// in its memory no more, and those still needed come back from the page cache by themselves. Mappings that are
// writable, or hold a page of their own, stay as they are. Returns the bytes that were resident in those mappings.
// Source: madvise(2), MADV_DONTNEED; proc_pid_smaps(5).
size_t release_file_pages(const std::string& path);

}  // namespace weft

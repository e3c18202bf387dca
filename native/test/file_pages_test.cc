#include "util/file_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "util/unique_fd.h"

namespace weft {
namespace {

constexpr size_t kSize = 64 * 4096;

class FilePages : public testing::Test {
 protected:
  FilePages() {
    char name[] = "/tmp/weft-file-pages-XXXXXX";
    fd_ = UniqueFd(mkstemp(name));
    path_ = name;
    const std::string content(kSize, 'f');
    EXPECT_EQ(write(fd_.get(), content.data(), content.size()), static_cast<ssize_t>(kSize));
  }
  ~FilePages() override { unlink(path_.c_str()); }

  char* map(int rights) {
    void* memory = mmap(nullptr, kSize, rights, MAP_PRIVATE, fd_.get(), 0);
    EXPECT_NE(memory, MAP_FAILED);
    return static_cast<char*>(memory);
  }

  static size_t sum(const char* memory) {
    size_t total = 0;
    for (size_t i = 0; i < kSize; i += 4096) total += static_cast<size_t>(static_cast<const volatile char*>(memory)[i]);
    return total;
  }

  UniqueFd fd_;
  std::string path_;
};

TEST_F(FilePages, UnchangedPagesGoAndComeBack) {
  char* memory = map(PROT_READ);
  const size_t before = sum(memory);
  EXPECT_EQ(release_file_pages(path_), kSize);
  EXPECT_EQ(release_file_pages(path_), 0u);  // none is resident now
  EXPECT_EQ(sum(memory), before);
  munmap(memory, kSize);
}

TEST_F(FilePages, ChangedPagesStayEvenIfReadOnlyNow) {
  char* memory = map(PROT_READ | PROT_WRITE);
  std::memset(memory + 4096, 'c', 10);
  EXPECT_EQ(release_file_pages(path_), 0u);  // writable
  mprotect(memory, kSize, PROT_READ);        // as the dynamic linker does
  EXPECT_EQ(release_file_pages(path_), 0u);
  EXPECT_EQ(memory[4096 + 9], 'c');
  munmap(memory, kSize);
}

TEST_F(FilePages, OthersAreNotTouched) {
  char* memory = map(PROT_READ);
  sum(memory);
  EXPECT_EQ(release_file_pages(path_ + "x"), 0u);
  EXPECT_EQ(release_file_pages(path_), kSize);
  munmap(memory, kSize);
}

}  // namespace
}  // namespace weft

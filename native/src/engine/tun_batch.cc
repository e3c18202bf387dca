#include "engine/tun_batch.h"

#include <array>

#include "util/bytes.h"

namespace weft::engine {

void TunBatch::write(const iovec* iov, int count) {
  if (uring_ == nullptr) {
    if (!queues_.write(iov, count)) counters_.drop(Drop::kTunWriteFailed);
    return;
  }
  headers_.push_back(load<tun::VirtioHeader>(static_cast<const uint8_t*>(iov->iov_base)));
  counts_.push_back(static_cast<uint32_t>(count));
  iovecs_.insert(iovecs_.end(), iov, iov + count);
}

void TunBatch::flush() {
  if (counts_.size() == 1) {
    iovecs_.front().iov_base = &headers_.front();
    if (!queues_.write(iovecs_.data(), static_cast<int>(iovecs_.size()))) counters_.drop(Drop::kTunWriteFailed);
    clear();
    return;
  }
  std::array<io::Uring::Write, io::Uring::kBatch> writes;
  iovec* next = iovecs_.data();
  for (size_t first = 0; first < counts_.size();) {
    uint32_t count = 0;
    for (; count < writes.size() && first < counts_.size(); ++count, ++first) {
      next->iov_base = &headers_[first];
      writes[count] = {next, counts_[first]};
      next += counts_[first];
    }
    const uint32_t refused = uring_->write(queues_.write_fd(), {writes.data(), count});
    if (refused != 0) counters_.drop(Drop::kTunWriteFailed, refused);
  }
  clear();
}

void TunBatch::clear() {
  headers_.clear();
  counts_.clear();
  iovecs_.clear();
}

}  // namespace weft::engine

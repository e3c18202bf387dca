#include "sim/congestion.h"

#include "sim/bbr.h"
#include "sim/reno_cubic.h"

namespace weft::sim {

std::string_view name_of(Tcp kind) {
  switch (kind) {
    case Tcp::kReno:
      return "reno";
    case Tcp::kCubic:
      return "cubic";
    case Tcp::kCubicNoHystart:
      return "cubic-no-hystart";
    case Tcp::kBbr:
      return "bbr";
  }
  return "";
}

std::unique_ptr<CongestionControl> make_congestion_control(Tcp kind, uint64_t seed) {
  switch (kind) {
    case Tcp::kReno:
      return std::make_unique<Reno>();
    case Tcp::kCubic:
      return std::make_unique<Cubic>(true);
    case Tcp::kCubicNoHystart:
      return std::make_unique<Cubic>(false);
    case Tcp::kBbr:
      return std::make_unique<Bbr>(seed);
  }
  return nullptr;
}

}  // namespace weft::sim

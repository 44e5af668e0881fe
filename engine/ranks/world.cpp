#include "engine/ranks/world.h"

#include <utility>

namespace vox {
namespace {

std::unique_ptr<Communicator>& joined() {
  static std::unique_ptr<Communicator> ranks = alone();
  return ranks;
}

}  // namespace

Communicator& world() { return *joined(); }

void set_world(std::unique_ptr<Communicator> ranks) { joined() = ranks ? std::move(ranks) : alone(); }

}  // namespace vox

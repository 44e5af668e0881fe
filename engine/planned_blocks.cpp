#include "engine/planned_blocks.h"

#include "kernels/simt/memory.h"

namespace vox {

PlannedBlocks::~PlannedBlocks() {
  for (const Block& b : blocks_) {
    if (b.data == nullptr) { continue; }
    simt_device::renew(b.data, b.bytes);
    simt_device::release(b.data);
  }
}

std::byte* PlannedBlocks::take(std::size_t request, std::size_t bytes) {
  if (request >= blocks_.size()) { blocks_.resize(request + 1); }
  Block& b = blocks_[request];
  if (b.data == nullptr) {
    b = {.data = static_cast<std::byte*>(simt_device::allocate(bytes, "tensor")), .bytes = bytes};
  } else if (b.bytes != bytes || taken_.contains(b.data)) {
    return nullptr;
  } else {
    simt_device::renew(b.data, b.bytes);
  }
  taken_[b.data] = request;
  return b.data;
}

void PlannedBlocks::give_back(std::byte* p) {
  const auto found = taken_.find(p);
  simt_device::retire(p, blocks_[found->second].bytes);
  taken_.erase(found);
}

}  // namespace vox

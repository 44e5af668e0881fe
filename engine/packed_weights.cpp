#include "engine/packed_weights.h"

#include <type_traits>

#include "engine/dispatch.h"
#include "engine/packed.h"
#include "engine/tensor_body.h"
#include "kernels/conv3d_pack.h"

namespace vox {

void PackedWeights::add(const Tensor& weight, bool from_data) {
  const Shape& s = weight.shape();
  const auto room = [&](Conv3dPass pass) {
    return Tensor({conv3d_packed_elements(s[0], s[1], s[2], pass)}, DType::bf16, weight.device());
  };
  weight.body().storage->packed = std::make_shared<Packed>(
      Packed{.correlate = room(Conv3dPass::correlate), .spread = from_data ? Tensor() : room(Conv3dPass::spread)});
  weights_.push_back(weight);
}

void PackedWeights::refresh() const {
  if (weights_.empty()) { return; }
  std::vector<Conv3dPack> stale;
  for (const Tensor& weight : weights_) {
    const Storage& storage = *weight.body().storage;
    Packed& packed = *storage.packed;
    if (packed.is_of(storage)) { continue; }
    packed.writes = storage.writes();
    packed.thread = std::this_thread::get_id();
    const auto pack = [&](Tensor& to, Conv3dPass pass) {
      if (!to.defined()) { return; }
      stale.push_back({.out_channels = weight.shape()[0],
                       .in_channels = weight.shape()[1],
                       .kernel = weight.shape()[2],
                       .pass = pass,
                       .weight = weight.values<float>(),
                       .packed = to.mutable_values<Bf16>()});
    };
    pack(packed.correlate, Conv3dPass::correlate);
    pack(packed.spread, Conv3dPass::spread);
  }
  dispatch_device(weights_.front().device(), [&]<class Queue>(Queue& queue) {
    if constexpr (std::is_base_of_v<DeviceQueue, Queue>) { conv3d_pack(queue, stale); }
  });
}

Tensor packed_weight(const Tensor& weight, Conv3dPass pass) {
  const Storage& storage = *weight.body().storage;
  if (!storage.packed || !storage.packed->is_of(storage)) { return {}; }
  return pass == Conv3dPass::correlate ? storage.packed->correlate : storage.packed->spread;
}

}  // namespace vox

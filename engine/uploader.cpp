#include "engine/uploader.h"

#include <array>
#include <cstring>
#include <utility>

#include "engine/context.h"
#include "engine/storage.h"
#include "engine/tensor_body.h"
#include "kernels/cuda/runtime.h"

namespace vox {
namespace {

/// Page-locked bytes on the CPU and their copy on the GPU.
struct Lane {
  Tensor device;
  cuda::PinnedBytes pinned;

  [[nodiscard]] bool takes(const Tensor& t) const {
    return device.defined() && device.shape() == t.shape() && device.dtype() == t.dtype() &&
           device.layout() == t.layout();
  }
};

}  // namespace

struct Uploader::Lanes {
  cuda::Stream copies;
  std::array<std::vector<Lane>, 2> sets;
  std::array<cuda::Event, 2> copied;  ///< a set's copies are done
  cuda::Event submitted;              ///< all work submitted before the last start() is done
  std::size_t next = 0;
};

Uploader::Uploader(Device device) : device_(device) {
  if (device == Device::cuda) { lanes_ = std::make_unique<Lanes>(); }
}

Uploader::~Uploader() {
  if (lanes_) { lanes_->copies.wait(); }
}

std::vector<Tensor> Uploader::start(const std::vector<Tensor>& host) {
  std::vector<Tensor> there;
  if (!lanes_) {
    for (const Tensor& t : host) { there.push_back(t.to(device_)); }
    return there;
  }
  CUstream_st* const compute = cuda_queue().stream;
  const std::size_t turn = std::exchange(lanes_->next, 1 - lanes_->next);
  std::vector<Lane>& set = lanes_->sets[turn];
  lanes_->copied[turn].wait();                           // on the CPU: the page-locked bytes are read no more
  lanes_->submitted.hold_back(lanes_->copies.handle());  // on the GPU: the work on this set's last batch is done
  set.resize(host.size());
  for (std::size_t i = 0; i < host.size(); ++i) {
    const Storage& from = *host[i].body().storage;
    if (!set[i].takes(host[i])) {
      cuda::wait(compute);  // the allocator may hand out what the compute stream has just freed
      set[i].device = Tensor(host[i].shape(), host[i].dtype(), device_, host[i].layout());
      set[i].pinned = cuda::PinnedBytes(from.size_bytes());
    }
    std::memcpy(set[i].pinned.data(), from.data(), from.size_bytes());
    cuda::copy_async(set[i].device.body().storage->data(), set[i].pinned.data(), from.size_bytes(),
                     lanes_->copies.handle());
    if (host[i].dtype() == DType::u8) { set[i].device.body().largest_label = host[i].largest_label(); }
    there.push_back(set[i].device);
  }
  lanes_->copied[turn].record(lanes_->copies.handle());
  lanes_->copied[turn].hold_back(compute);
  lanes_->submitted.record(compute);
  return there;
}

}  // namespace vox

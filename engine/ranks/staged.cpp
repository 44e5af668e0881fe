#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/context.h"
#include "engine/ranks/communicator.h"
#include "kernels/cuda/runtime.h"

namespace vox {
namespace {

std::size_t sum(std::span<const std::size_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
}

/// Page-locked memory that grows and stays: asking for it waits for the GPU.
class Staging {
 public:
  std::span<std::byte> room(std::size_t bytes) {
    if (bytes > size_) {
      memory_ = cuda::PinnedBytes();
      size_ = std::max(bytes, 2 * size_);
      memory_ = cuda::PinnedBytes(size_);
    }
    return {static_cast<std::byte*>(memory_.data()), bytes};
  }

 private:
  cuda::PinnedBytes memory_;
  std::size_t size_ = 0;
};

class Staged final : public Communicator {
 public:
  explicit Staged(std::unique_ptr<Communicator> host) : host_(std::move(host)) {}
  [[nodiscard]] int rank() const override { return host_->rank(); }
  [[nodiscard]] int size() const override { return host_->size(); }
  [[nodiscard]] std::string name() const override { return host_->name() + ", through memory of the host"; }
  [[nodiscard]] Device memory() const override { return Device::cuda; }
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    const auto from = fetched(mine);
    const auto to = to_.room(all.size());
    host_->all_gather(from, sizes, to);
    put(to, all);
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> received, std::span<const std::size_t> received_sizes) override {
    const auto from = fetched(send);
    const auto to = to_.room(sum(received_sizes));
    host_->all_to_all(from, send_sizes, to, received_sizes);
    put(to, received);
  }
  void all_reduce_fast(std::span<float> values) override { reduce(values); }
  void all_reduce_fast(std::span<double> values) override { reduce(values); }
  void broadcast(std::span<std::byte> bytes, int root) override {
    const auto there = rank() == root ? fetched(bytes) : from_.room(bytes.size());
    host_->broadcast(there, root);
    if (rank() != root) { put(there, bytes); }
  }
  void barrier() override {
    cuda::wait(cuda_queue().stream);
    host_->barrier();
  }
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override { return staged(host_->duplicate()); }
  [[nodiscard]] std::unique_ptr<Communicator> for_device(Device device) override {
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): one unique_ptr is moved to another
    return host_->for_device(device);
  }

 private:
  std::span<std::byte> fetched(std::span<const std::byte> bytes) {
    const auto there = from_.room(bytes.size());
    if (!bytes.empty()) { cuda::copy(there.data(), bytes.data(), bytes.size(), cuda_queue().stream); }
    return there;
  }
  /// Done when it returns: the next call writes the staging memory again.
  static void put(std::span<const std::byte> from, std::span<std::byte> to) {
    if (!to.empty()) { cuda::copy(to.data(), from.data(), to.size(), cuda_queue().stream); }
  }
  template <class T> void reduce(std::span<T> values) {
    const auto there = fetched(std::as_bytes(values));
    host_->all_reduce_fast(std::span(reinterpret_cast<T*>(there.data()), values.size()));
    put(there, std::as_writable_bytes(values));
  }

  std::unique_ptr<Communicator> host_;
  Staging from_;
  Staging to_;
};

}  // namespace

std::unique_ptr<Communicator> staged(std::unique_ptr<Communicator> host) {
  return std::make_unique<Staged>(std::move(host));
}

std::unique_ptr<Communicator> Communicator::for_device(Device device) {
  return device == Device::cuda ? staged(duplicate()) : duplicate();
}

}  // namespace vox

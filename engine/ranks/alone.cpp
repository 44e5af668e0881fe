#include <algorithm>

#include "engine/context.h"
#include "engine/ranks/communicator.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"

namespace vox {
namespace {

class Alone final : public Communicator {
 public:
  explicit Alone(Device memory) : memory_(memory) {}
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] std::string name() const override { return "none: one rank"; }
  [[nodiscard]] Device memory() const override { return memory_; }
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t>, std::span<std::byte> all) override {
    copy(mine, all);
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t>, std::span<std::byte> received,
                  std::span<const std::size_t>) override {
    copy(send, received);
  }
  void all_reduce_fast(std::span<float>) override {}
  void all_reduce_fast(std::span<double>) override {}
  void broadcast(std::span<std::byte>, int) override {}
  void barrier() override {}
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override { return for_device(memory_); }
  [[nodiscard]] std::unique_ptr<Communicator> for_device(Device device) override {
    return std::make_unique<Alone>(device == Device::cuda ? device : Device::cpu);
  }

 private:
  void copy(std::span<const std::byte> from, std::span<std::byte> to) const {
    VOX_CHECK(from.size() == to.size(), "communicator: {} bytes for a buffer of {}", from.size(), to.size());
    if (memory_ == Device::cpu) {
      std::ranges::copy(from, to.begin());
    } else if (!to.empty()) {
      cuda::copy_async(to.data(), from.data(), to.size(), cuda_queue().stream);
    }
  }

  Device memory_;
};

}  // namespace

std::unique_ptr<Communicator> alone() { return std::make_unique<Alone>(Device::cpu); }

}  // namespace vox

#include <algorithm>

#include "engine/ranks/communicator.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

void copy(std::span<const std::byte> from, std::span<std::byte> to) {
  VOX_CHECK(from.size() == to.size(), "communicator: {} bytes for a buffer of {}", from.size(), to.size());
  std::ranges::copy(from, to.begin());
}

class Alone final : public Communicator {
 public:
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] std::string name() const override { return "none: one rank"; }
  [[nodiscard]] Device memory() const override { return Device::cpu; }
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
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override { return alone(); }
};

}  // namespace

std::unique_ptr<Communicator> alone() { return std::make_unique<Alone>(); }

}  // namespace vox

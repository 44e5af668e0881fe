#include "engine/ranks/planned_ranks.h"

#include "kernels/base/check.h"

namespace vox {
namespace {

[[noreturn]] void refuse() { VOX_FAIL("ranks: a dry run exchanges nothing"); }

class Planned final : public Communicator {
 public:
  Planned(int rank, int ranks, Device memory) : rank_(rank), ranks_(ranks), memory_(memory) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return ranks_; }
  [[nodiscard]] std::string name() const override { return "planned"; }
  [[nodiscard]] Device memory() const override { return memory_; }
  void all_gather(std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>) override { refuse(); }
  void all_to_all(std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>,
                  std::span<const std::size_t>) override {
    refuse();
  }
  void all_reduce_fast(std::span<float>) override { refuse(); }
  void all_reduce_fast(std::span<double>) override { refuse(); }
  void broadcast(std::span<std::byte>, int) override { refuse(); }
  void barrier() override { refuse(); }
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override { return planned_ranks(rank_, ranks_, memory_); }

 private:
  int rank_;
  int ranks_;
  Device memory_;
};

}  // namespace

std::unique_ptr<Communicator> planned_ranks(int rank, int ranks, Device memory) {
  return std::make_unique<Planned>(rank, ranks, memory);
}

}  // namespace vox

#include "engine/ranks/mpi.h"

// The C++ bindings that MPI 3 has dropped
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/check.h"

namespace vox::mpi {
namespace {

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) { return; }
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  VOX_FAIL("{}: {}", call, std::string_view(text.data(), static_cast<std::size_t>(length)));
}
#define VOX_MPI(call) ::vox::mpi::check(call, #call)

int as_int(std::size_t bytes) {
  VOX_CHECK(bytes <= static_cast<std::size_t>(std::numeric_limits<int>::max()), "MPI: {} bytes in one call", bytes);
  return static_cast<int>(bytes);
}

/// Sizes and where they begin.
struct Pieces {
  std::vector<int> counts;
  std::vector<int> offsets;

  explicit Pieces(std::span<const std::size_t> sizes) {
    std::size_t at = 0;
    for (const std::size_t size : sizes) {
      counts.push_back(as_int(size));
      offsets.push_back(as_int(at));
      at += size;
    }
  }
};

class Ranks final : public Communicator {
 public:
  explicit Ranks(MPI_Comm of) {
    VOX_MPI(MPI_Comm_dup(of, &comm_));
    VOX_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    VOX_MPI(MPI_Comm_rank(comm_, &rank_));
    VOX_MPI(MPI_Comm_size(comm_, &size_));
  }
  ~Ranks() override { MPI_Comm_free(&comm_); }
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;
  Ranks(Ranks&&) = delete;
  Ranks& operator=(Ranks&&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] std::string name() const override { return "MPI, " + version(); }
  [[nodiscard]] Device memory() const override { return Device::cpu; }
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    const Pieces to(sizes);
    VOX_MPI(MPI_Allgatherv(mine.data(), as_int(mine.size()), MPI_BYTE, all.data(), to.counts.data(), to.offsets.data(),
                           MPI_BYTE, comm_));
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> received, std::span<const std::size_t> received_sizes) override {
    const Pieces from(send_sizes);
    const Pieces to(received_sizes);
    VOX_MPI(MPI_Alltoallv(send.data(), from.counts.data(), from.offsets.data(), MPI_BYTE, received.data(),
                          to.counts.data(), to.offsets.data(), MPI_BYTE, comm_));
  }
  void all_reduce_fast(std::span<float> values) override {
    VOX_MPI(MPI_Allreduce(MPI_IN_PLACE, values.data(), as_int(values.size()), MPI_FLOAT, MPI_SUM, comm_));
  }
  void all_reduce_fast(std::span<double> values) override {
    VOX_MPI(MPI_Allreduce(MPI_IN_PLACE, values.data(), as_int(values.size()), MPI_DOUBLE, MPI_SUM, comm_));
  }
  void broadcast(std::span<std::byte> bytes, int root) override {
    VOX_MPI(MPI_Bcast(bytes.data(), as_int(bytes.size()), MPI_BYTE, root, comm_));
  }
  void barrier() override { VOX_MPI(MPI_Barrier(comm_)); }
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override { return std::make_unique<Ranks>(comm_); }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

bool built() noexcept { return true; }

std::string version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string_view all(text.data(), static_cast<std::size_t>(length));
  std::string_view first = all.substr(0, all.find_first_of(",\n"));
  if (first.starts_with("Open MPI v")) { return "Open MPI " + std::string(first.substr(10)); }
  return std::string(first);
}

std::unique_ptr<Communicator> start() {
  int given = MPI_THREAD_SINGLE;
  VOX_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &given));
  VOX_CHECK(given == MPI_THREAD_MULTIPLE, "{} was built without MPI_THREAD_MULTIPLE, which is needed", version());
  return std::make_unique<Ranks>(MPI_COMM_WORLD);
}

void finish() { MPI_Finalize(); }

}  // namespace vox::mpi

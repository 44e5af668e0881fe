#include "engine/ranks/backends/mpi.h"

#include <array>
#include <string_view>

#include "engine/ranks/backends/mpi_communicator.h"
#include "kernels/base/check.h"
#include "kernels/base/sanitizer.h"

#ifdef VOX_ADDRESS_SANITIZER
#include <sanitizer/lsan_interface.h>
#endif

namespace vox::mpi {
namespace {

std::shared_ptr<Faults>& faults() {
  static std::shared_ptr<Faults> of_job;
  return of_job;
}

constexpr std::uint64_t kFirstId = 14695981039346656037U;  // FNV-1a's, and not 0, which is the end of the job

}  // namespace

bool built() noexcept { return true; }

std::string version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string_view all(text.data(), static_cast<std::size_t>(length));
  const std::string_view first = all.substr(0, all.find_first_of(",\n"));
  if (first.starts_with("Open MPI v")) { return "Open MPI " + std::string(first.substr(10)); }
  return std::string(first);
}

bool cuda_aware() {
#ifdef MPIX_CUDA_AWARE_SUPPORT
  return MPIX_Query_cuda_support() == 1;
#else
  return false;
#endif
}

std::unique_ptr<Communicator> start() {
  int given = MPI_THREAD_SINGLE;
  {
#ifdef VOX_ADDRESS_SANITIZER
    const __lsan::ScopedDisabler no_leaks;  // what MPI keeps until the process ends
#endif
    VOX_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &given));
  }
  faults() = std::make_shared<Faults>(MPI_COMM_WORLD);
  VOX_CHECK(given == MPI_THREAD_MULTIPLE, "{} was built without MPI_THREAD_MULTIPLE, which is needed", version());
  return std::make_unique<MpiCommunicator>(faults(), MPI_COMM_WORLD, kFirstId, Device::cpu);
}

void set_time_limit(double seconds) { faults()->set_time_limit(seconds); }

bool started() noexcept { return faults() != nullptr; }

int agree(const Ending& ending, const std::function<void(const std::string&)>& say) {
  return faults()->agree(ending, say);
}

void finish() {
  faults().reset();
#ifdef VOX_ADDRESS_SANITIZER
  __lsan_do_leak_check();  // for the only time: MPI unloads libraries, and what they keep would have no name any more
#endif
  MPI_Finalize();
}

}  // namespace vox::mpi

#include "kernels/cuda/nccl.h"

#include <cuda_runtime.h>
#include <fmt/format.h>
#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "kernels/base/check.h"

#if NCCL_VERSION_CODE < NCCL_VERSION(2, 14, 0)
#error "NCCL 2.14 or later is wanted: communicators that do not block"
#endif

namespace vox::nccl {
namespace {

static_assert(sizeof(Id) == sizeof(ncclUniqueId));

void check(ncclResult_t code, const char* call) {
  VOX_CHECK(code == ncclSuccess, "{}: {}", call, ncclGetErrorString(code));
}

}  // namespace

bool built() noexcept { return true; }

std::string version() {
  int v = 0;
  if (ncclGetVersion(&v) != ncclSuccess) { return "of unknown version"; }
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

Id unique_id() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  VOX_CHECK(code == cudaSuccess && count > 0, "NCCL: this machine has no NVIDIA GPU that it could use: {}",
            cudaGetErrorString(code));
  ncclUniqueId made{};
  check(ncclGetUniqueId(&made), "ncclGetUniqueId");
  Id id;
  std::memcpy(id.data(), &made, sizeof made);
  return id;
}

Ranks::Ranks(const Id& id, int rank, int size, KeepOn keep_on)
    : rank_(static_cast<std::size_t>(rank)), keep_on_(std::move(keep_on)) {
  ncclUniqueId given{};
  std::memcpy(&given, id.data(), sizeof given);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const ncclResult_t code = ncclCommInitRankConfig(&comm_, size, given, rank, &config);
  try {
    settle(code, "ncclCommInitRankConfig");
  } catch (...) {
    abort();
    throw;
  }
}

Ranks::~Ranks() {
  // Work that is under way is the stream's, whose owner has waited for it or does not want it any more.
  const std::lock_guard lock(mutex_);
  if (comm_ != nullptr) { static_cast<void>(ncclCommAbort(comm_)); }
}

/// Until the communicator is done with what it was told, which may want other ranks.
void Ranks::settle(int code, const char* call) {
  auto state = static_cast<ncclResult_t>(code);
  while (state == ncclInProgress) {
    {
      const std::lock_guard lock(mutex_);
      VOX_CHECK(comm_ != nullptr, "{}: given up, as another rank failed", call);
      check(ncclCommGetAsyncError(comm_, &state), "ncclCommGetAsyncError");
    }
    if (state == ncclInProgress) {
      keep_on_();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  check(state, call);
}

/// submit(comm): calls that are one to NCCL.
template <class Submit> void Ranks::group(const Submit& submit) {
  ncclResult_t code = ncclSuccess;
  {
    const std::lock_guard lock(mutex_);
    VOX_CHECK(comm_ != nullptr, "NCCL: given up, as another rank failed");
    check(ncclGroupStart(), "ncclGroupStart");
    code = submit(comm_);
    const ncclResult_t end = ncclGroupEnd();
    if (code == ncclSuccess || code == ncclInProgress) { code = end; }
  }
  settle(code, "NCCL");
}

void Ranks::all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                       std::span<std::byte> received, std::span<const std::size_t> received_sizes,
                       CUstream_st* stream) {
  group([&](ncclComm_t comm) {
    const std::byte* from = send.data();
    std::byte* to = received.data();
    ncclResult_t worst = ncclSuccess;
    const auto keep = [&](ncclResult_t code) {
      if (code != ncclSuccess && code != ncclInProgress) { worst = code; }
    };
    for (std::size_t r = 0; r < send_sizes.size(); ++r) {
      const int peer = static_cast<int>(r);
      if (send_sizes[r] > 0) { keep(ncclSend(from, send_sizes[r], ncclUint8, peer, comm, stream)); }
      if (received_sizes[r] > 0) { keep(ncclRecv(to, received_sizes[r], ncclUint8, peer, comm, stream)); }
      from += send_sizes[r];
      to += received_sizes[r];
    }
    return worst;
  });
}

void Ranks::all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes, std::span<std::byte> all,
                       CUstream_st* stream) {
  const bool even = std::ranges::all_of(sizes, [&](std::size_t s) { return s == sizes.front(); });
  group([&](ncclComm_t comm) {
    if (even) { return ncclAllGather(mine.data(), all.data(), mine.size(), ncclUint8, comm, stream); }
    std::byte* to = all.data();
    ncclResult_t worst = ncclSuccess;
    for (std::size_t r = 0; r < sizes.size(); ++r) {  // as many broadcasts, in one group
      if (sizes[r] > 0) {
        const void* const from = r == rank_ ? mine.data() : to;
        const ncclResult_t code = ncclBroadcast(from, to, sizes[r], ncclUint8, static_cast<int>(r), comm, stream);
        if (code != ncclSuccess && code != ncclInProgress) { worst = code; }
      }
      to += sizes[r];
    }
    return worst;
  });
}

void Ranks::all_reduce(std::span<float> v, CUstream_st* stream) {
  group([&](ncclComm_t c) { return ncclAllReduce(v.data(), v.data(), v.size(), ncclFloat32, ncclSum, c, stream); });
}
void Ranks::all_reduce(std::span<double> v, CUstream_st* stream) {
  group([&](ncclComm_t c) { return ncclAllReduce(v.data(), v.data(), v.size(), ncclFloat64, ncclSum, c, stream); });
}
void Ranks::broadcast(std::span<std::byte> b, int root, CUstream_st* stream) {
  group([&](ncclComm_t c) { return ncclBroadcast(b.data(), b.data(), b.size(), ncclUint8, root, c, stream); });
}

std::string Ranks::failure() {
  const std::lock_guard lock(mutex_);
  if (comm_ == nullptr) { return {}; }
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  if (asked != ncclSuccess) { state = asked; }
  if (state == ncclSuccess || state == ncclInProgress) { return {}; }
  return fmt::format("NCCL: {}: {}", ncclGetErrorString(state), ncclGetLastError(comm_));
}

void Ranks::abort() noexcept {
  const std::lock_guard lock(mutex_);
  if (comm_ != nullptr) { static_cast<void>(ncclCommAbort(comm_)); }
  comm_ = nullptr;
}

}  // namespace vox::nccl

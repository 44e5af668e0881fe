#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>

struct CUstream_st;  // cudaStream_t
struct ncclComm;     // *ncclComm_t

/// All of NCCL that the rest of the tree sees. Without VOX_NCCL, no_nccl.cpp answers instead. Written after NCCL's user
/// guide (communicators, fault tolerance, point-to-point, thread safety), compiled and linked against 2.28; no GPU was
/// there to run it on.
namespace vox::nccl {

[[nodiscard]] bool built() noexcept;  ///< was this program built with VOX_NCCL?
[[nodiscard]] std::string version();  ///< "2.28.9", or why there is none

using Id = std::array<std::byte, 128>;  ///< ncclUniqueId
[[nodiscard]] Id unique_id();           ///< by one rank, for all. Throws Error where there is no GPU to ask

/// GPUs of several processes, this one's the calling thread's. Buffers are on it, calls are submitted to a stream and
/// return before they are done. NCCL's communicator does not block: where a call has to wait for other ranks, keep_on()
/// is asked again and again, and ends the waiting by throwing. One thread at a time submits; any may abort().
class Ranks {
 public:
  using KeepOn = std::function<void()>;

  Ranks(const Id&, int rank, int size, KeepOn keep_on);  ///< collective, one GPU per rank
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;
  Ranks(Ranks&&) = delete;
  Ranks& operator=(Ranks&&) = delete;

  // As those of Communicator. An exchange is a group of ncclSend and ncclRecv, a ragged gather one of ncclBroadcast.
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes, std::span<std::byte> all,
                  CUstream_st*);
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> received, std::span<const std::size_t> received_sizes, CUstream_st*);
  void all_reduce(std::span<float>, CUstream_st*);  ///< ncclAllReduce, the sum
  void all_reduce(std::span<double>, CUstream_st*);
  void broadcast(std::span<std::byte>, int root, CUstream_st*);

  [[nodiscard]] std::string failure();  ///< what went wrong on the GPU or the network since, or empty
  /// Ends what is under way on the GPU, with whatever bytes; later calls throw Error.
  void abort() noexcept;

 private:
  template <class Submit> void group(const Submit&);
  void settle(int code, const char* call);

  std::mutex mutex_;  ///< of the communicator, which abort() takes away
  ncclComm* comm_ = nullptr;
  std::size_t rank_;
  KeepOn keep_on_;
};

}  // namespace vox::nccl

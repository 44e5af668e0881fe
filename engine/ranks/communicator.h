#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "engine/types.h"

namespace vox {

/// The ranks of a job: processes that were started together and work on the same thing. Every function but rank(),
/// size(), name() and memory() is collective: all ranks call the same ones in the same order, with arguments that
/// fit. One thread at a time may use a communicator; another thread has one of its own, from duplicate().
class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  Communicator(Communicator&&) = delete;
  Communicator& operator=(Communicator&&) = delete;

  [[nodiscard]] virtual int rank() const = 0;          ///< 0 ... size() - 1
  [[nodiscard]] virtual int size() const = 0;          ///< number of ranks, at least 1
  [[nodiscard]] virtual std::string name() const = 0;  ///< for the user: "MPI, Open MPI 4.1.4"
  /// Where its buffers lie: Device::cpu, any memory of the host, or Device::cuda. On a GPU a call is submitted to the
  /// calling thread's queue and may return before it is done.
  [[nodiscard]] virtual Device memory() const = 0;

  /// Must calls of this communicator and of its duplicates come in one order on all ranks, and so from one thread?
  [[nodiscard]] virtual bool one_order() const { return false; }

  /// all = what each rank gives as mine, by rank. sizes[r]: bytes of rank r, the same list on every rank.
  virtual void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                          std::span<std::byte> all) = 0;
  /// What lies in `send` goes to the ranks, by rank, send_sizes[r] bytes each; received = what they sent here, by rank.
  virtual void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                          std::span<std::byte> received, std::span<const std::size_t> received_sizes) = 0;
  /// values = the sum over ranks of each of them, in whatever order is fast: the bits may depend on the ranks.
  virtual void all_reduce_fast(std::span<float> values) = 0;
  virtual void all_reduce_fast(std::span<double> values) = 0;
  /// bytes = those of rank root.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void barrier() = 0;  ///< returns when all ranks have called it

  /// The same ranks once more, for another thread.
  [[nodiscard]] virtual std::unique_ptr<Communicator> duplicate() = 0;
  /// The same ranks once more, for buffers where tensors of that device lie: on a GPU, the calling thread's, staged()
  /// or what is faster; memory of the host for cpu and simt. Collective as well, with the same device on all ranks.
  [[nodiscard]] virtual std::unique_ptr<Communicator> for_device(Device);
};

/// One rank, which needs nobody.
[[nodiscard]] std::unique_ptr<Communicator> alone();
/// Buffers of a GPU through page-locked memory of the host: a copy there, the call of `host`, a copy back.
[[nodiscard]] std::unique_ptr<Communicator> staged(std::unique_ptr<Communicator> host);

}  // namespace vox

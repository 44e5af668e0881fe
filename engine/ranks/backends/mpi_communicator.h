#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/ranks/backends/mpi_faults.h"
#include "engine/ranks/communicator.h"

namespace vox::mpi {

/// Ranks that exchange bytes by MPI's non-blocking collective calls, so that a fault or the time limit can end the
/// waiting. all_to_all is one message per pair of ranks, as only the two of them know its size; what is larger than
/// kPiece goes in several.
class MpiCommunicator final : public Communicator {
 public:
  /// Collective. The id is the same on all ranks, and no other communicator's.
  MpiCommunicator(std::shared_ptr<Faults>, MPI_Comm of, std::uint64_t id, Device memory);
  ~MpiCommunicator() override;
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;
  MpiCommunicator(MpiCommunicator&&) = delete;
  MpiCommunicator& operator=(MpiCommunicator&&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Device memory() const override { return memory_; }
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override;
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> received, std::span<const std::size_t> received_sizes) override;
  void all_reduce_fast(std::span<float> values) override;
  void all_reduce_fast(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void barrier() override;
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override;
  [[nodiscard]] std::unique_ptr<Communicator> for_device(Device) override;

 private:
  [[nodiscard]] std::uint64_t next_id();
  [[nodiscard]] std::unique_ptr<Communicator> another(Device memory);
  void wait(MPI_Request& request, const Call& call) { faults_->wait({&request, 1}, call); }
  void broadcast_pieces(std::span<std::byte> bytes, int root, const Call&);
  template <class T> void reduce(std::span<T> values, MPI_Datatype type);
  void submitted_work_done() const;  ///< of a GPU: MPI knows nothing of its queues

  std::shared_ptr<Faults> faults_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::uint64_t id_;
  std::uint64_t children_ = 0;
  Device memory_;
};

}  // namespace vox::mpi

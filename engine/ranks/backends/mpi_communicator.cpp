#include "engine/ranks/backends/mpi_communicator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/context.h"
#include "engine/ranks/backends/mpi.h"
#include "engine/ranks/backends/nccl_communicator.h"
#include "kernels/base/check.h"
#include "kernels/cuda/nccl.h"
#include "kernels/cuda/runtime.h"

namespace vox::mpi {
namespace {

/// MPI counts in int; a piece is well below.
constexpr std::size_t kPiece = std::size_t{1} << 30U;

int as_int(std::size_t count) { return static_cast<int>(count); }

std::size_t sum(std::span<const std::size_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
}

/// Calls step(offset, bytes) for the pieces of `bytes`.
template <class Step> void in_pieces(std::size_t bytes, const Step& step) {
  for (std::size_t at = 0; at < bytes; at += kPiece) { step(at, as_int(std::min(kPiece, bytes - at))); }
}

}  // namespace

MpiCommunicator::MpiCommunicator(std::shared_ptr<Faults> faults, MPI_Comm of, std::uint64_t id, Device memory)
    : faults_(std::move(faults)), id_(id), memory_(memory) {
  MPI_Request request = MPI_REQUEST_NULL;
  const Call call = faults_->begin("duplicate", 0, id);
  VOX_MPI(MPI_Comm_idup(of, &comm_, &request));
  wait(request, call);
  VOX_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  VOX_MPI(MPI_Comm_rank(comm_, &rank_));
  VOX_MPI(MPI_Comm_size(comm_, &size_));
}

MpiCommunicator::~MpiCommunicator() {
  if (!faults_->heard()) { MPI_Comm_free(&comm_); }  // after a fault calls may be under way on it
}

std::string MpiCommunicator::name() const { return "MPI, " + version(); }

void MpiCommunicator::submitted_work_done() const {
  if (memory_ == Device::cuda) { cuda::wait(cuda_queue().stream); }
}

void MpiCommunicator::all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                                 std::span<std::byte> all) {
  const std::size_t total = sum(sizes);
  VOX_CHECK(sizes.size() == static_cast<std::size_t>(size_) && mine.size() == sizes[static_cast<std::size_t>(rank_)] &&
                all.size() == total,
            "all_gather: sizes do not fit the buffers");
  const Call call = faults_->begin("all-gather", total, id_);
  submitted_work_done();
  if (total >= kPiece) {  // offsets would not fit in an int
    std::size_t at = 0;
    for (int r = 0; r < size_; ++r) {
      const auto piece = all.subspan(at, sizes[static_cast<std::size_t>(r)]);
      if (r == rank_) {
        if (memory_ == Device::cuda) {
          cuda::copy(piece.data(), mine.data(), mine.size(), cuda_queue().stream);
        } else {
          std::ranges::copy(mine, piece.begin());
        }
      }
      broadcast_pieces(piece, r, call);
      at += piece.size();
    }
    return;
  }
  std::vector<int> counts;
  std::vector<int> offsets;
  std::size_t at = 0;
  for (const std::size_t bytes : sizes) {
    counts.push_back(as_int(bytes));
    offsets.push_back(as_int(at));
    at += bytes;
  }
  MPI_Request request = MPI_REQUEST_NULL;
  VOX_MPI(MPI_Iallgatherv(mine.data(), as_int(mine.size()), MPI_BYTE, all.data(), counts.data(), offsets.data(),
                          MPI_BYTE, comm_, &request));
  wait(request, call);
}

void MpiCommunicator::all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                                 std::span<std::byte> received, std::span<const std::size_t> received_sizes) {
  const auto ranks = static_cast<std::size_t>(size_);
  const auto self = static_cast<std::size_t>(rank_);
  VOX_CHECK(send_sizes.size() == ranks && received_sizes.size() == ranks && send.size() == sum(send_sizes) &&
                received.size() == sum(received_sizes) && send_sizes[self] == received_sizes[self],
            "all_to_all: sizes do not fit the buffers");
  const Call call = faults_->begin("all-to-all", send.size(), id_);
  submitted_work_done();
  std::vector<std::size_t> from(ranks);
  std::vector<std::size_t> to(ranks);
  std::exclusive_scan(send_sizes.begin(), send_sizes.end(), from.begin(), std::size_t{0});
  std::exclusive_scan(received_sizes.begin(), received_sizes.end(), to.begin(), std::size_t{0});
  std::vector<MPI_Request> requests;
  // Each rank begins with its neighbour, so that no rank is what all send to at first; the last is itself.
  for (std::size_t k = 1; k <= ranks; ++k) {
    const std::size_t r = (self + ranks - k) % ranks;
    in_pieces(received_sizes[r], [&](std::size_t at, int bytes) {
      VOX_MPI(MPI_Irecv(received.data() + to[r] + at, bytes, MPI_BYTE, static_cast<int>(r), 0, comm_,
                        &requests.emplace_back(MPI_REQUEST_NULL)));
    });
  }
  for (std::size_t k = 1; k <= ranks; ++k) {
    const std::size_t r = (self + k) % ranks;
    in_pieces(send_sizes[r], [&](std::size_t at, int bytes) {
      VOX_MPI(MPI_Isend(send.data() + from[r] + at, bytes, MPI_BYTE, static_cast<int>(r), 0, comm_,
                        &requests.emplace_back(MPI_REQUEST_NULL)));
    });
  }
  faults_->wait(requests, call);
}

template <class T> void MpiCommunicator::reduce(std::span<T> values, MPI_Datatype type) {
  const Call call = faults_->begin("all-reduce", values.size_bytes(), id_);
  submitted_work_done();
  in_pieces(values.size_bytes(), [&](std::size_t at, int bytes) {
    MPI_Request request = MPI_REQUEST_NULL;
    VOX_MPI(MPI_Iallreduce(MPI_IN_PLACE, values.data() + at / sizeof(T), bytes / static_cast<int>(sizeof(T)), type,
                           MPI_SUM, comm_, &request));
    wait(request, call);
  });
}
void MpiCommunicator::all_reduce_fast(std::span<float> values) { reduce(values, MPI_FLOAT); }
void MpiCommunicator::all_reduce_fast(std::span<double> values) { reduce(values, MPI_DOUBLE); }

void MpiCommunicator::broadcast_pieces(std::span<std::byte> bytes, int root, const Call& call) {
  in_pieces(bytes.size(), [&](std::size_t at, int count) {
    MPI_Request request = MPI_REQUEST_NULL;
    VOX_MPI(MPI_Ibcast(bytes.data() + at, count, MPI_BYTE, root, comm_, &request));
    wait(request, call);
  });
}

void MpiCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  VOX_CHECK(root >= 0 && root < size_, "broadcast: no rank {} among {}", root, size_);
  const Call call = faults_->begin("broadcast", bytes.size(), id_);
  submitted_work_done();
  broadcast_pieces(bytes, root, call);
}

void MpiCommunicator::barrier() {
  const Call call = faults_->begin("barrier", 0, id_);
  submitted_work_done();
  MPI_Request request = MPI_REQUEST_NULL;
  VOX_MPI(MPI_Ibarrier(comm_, &request));
  wait(request, call);
}

std::uint64_t MpiCommunicator::next_id() {
  return (id_ ^ ++children_) * 1099511628211U;  // FNV-1a's step: ids do not meet in practice
}

std::unique_ptr<Communicator> MpiCommunicator::another(Device memory) {
  return std::make_unique<MpiCommunicator>(faults_, comm_, next_id(), memory);
}

std::unique_ptr<Communicator> MpiCommunicator::duplicate() { return another(memory_); }

std::unique_ptr<Communicator> MpiCommunicator::for_device(Device device) {
  if (device != Device::cuda) { return another(Device::cpu); }
  if (nccl::built()) {
    auto host = another(Device::cpu);
    return nccl_communicator(std::move(host), faults_, next_id());
  }
  return cuda_aware() ? another(Device::cuda) : Communicator::for_device(device);
}

}  // namespace vox::mpi

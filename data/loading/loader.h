#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/loading/augment.h"
#include "data/loading/batch_memory.h"
#include "data/loading/patch.h"
#include "engine/ranks/batch_share.h"

namespace vox {

/// Batches that wait or are being filled, unless a budget says otherwise: at least three, and two samples a thread, so
/// that threads have work while the first batch waits for a sample that takes longer.
[[nodiscard]] std::int64_t default_batches_ahead(int threads, std::int64_t batch);

struct LoaderOptions {
  std::vector<std::filesystem::path> files;  ///< prepared and labelled cases, all of one shape or with `patch`
  std::int64_t batch = 1;
  /// Of several ranks each reads what it computes of a batch, of every part of so many cases its share
  /// (engine/ranks/rank_cases.h). 0: a batch is one part.
  std::int64_t at_a_time = 0;
  int rank = 0;
  int ranks = 1;
  std::uint64_t seed = 0;
  int threads = 1;  ///< that read and augment
  /// For batches that wait or are being filled, of which one must fit. 0: default_batches_ahead() full ones.
  std::size_t memory_bytes = 0;
  BatchMemory::Make memory = nullptr;  ///< what a batch lies in; called by any thread. Empty: ordinary memory
  AugmentOptions augment = AugmentOptions::none();  ///< what the threads do; a GPU may do it later, by Batch::keys
  std::optional<PatchOptions> patch = {};           ///< a patch of each case; nothing: the whole case
  /// Full batches in an epoch; passes over the cases then go on from one epoch to the next, so that every case comes as
  /// often. 0: an epoch is one pass.
  std::int64_t steps_per_epoch = 0;
  bool shuffle = true;
  bool drop_last = false;  ///< leave out a last batch that is not full
};

/// The samples that this rank reads of a batch.
struct Batch {
  std::vector<std::string> ids;         ///< of all cases of the batch, on every rank
  std::vector<std::int64_t> places;     ///< in the batch, by sample
  std::vector<BatchShare> shares;       ///< what they are of each part of the batch
  std::vector<SampleKey> keys;          ///< by sample: what it draws its augmentation by
  std::array<std::int64_t, 5> shape{};  ///< N,C,D,H,W
  std::span<float> images;              ///< [N,C,D,H,W]
  std::span<std::uint8_t> labels;       ///< [N,D,H,W]
  std::shared_ptr<std::byte> memory;    ///< holds both; the loader has it again when its last holder is gone
};

/// Streams prepared cases from disk with background threads, shuffled and augmented. Values and order depend on files,
/// seed, epoch and the place in the epoch only: never on threads, ranks, memory, timing or where an epoch was resumed.
/// One thread at a time may call it.
class Loader {
 public:
  /// Reads the first file's header, and of several ranks all of them: who reads a case is told to the others by its id.
  /// Throws Error for options out of range, among them a budget below one batch.
  explicit Loader(LoaderOptions);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader();  ///< at any time: what is under way is dropped and the threads are joined

  /// Starts or restarts, from this batch on: what a run resumed in the middle of an epoch wants.
  void start_epoch(std::uint32_t epoch, std::int64_t first_batch = 0);
  /// The next batch, or nothing at the end of the epoch. An unreadable, unlabelled or misshapen file throws DataError
  /// naming it when its batch is due, and again until the next start_epoch().
  [[nodiscard]] std::optional<Batch> next();

  [[nodiscard]] std::int64_t batches_per_epoch() const;
  [[nodiscard]] std::int64_t samples_per_epoch() const;            ///< of all ranks
  [[nodiscard]] std::array<std::int64_t, 4> sample_shape() const;  ///< C,D,H,W
  [[nodiscard]] std::int64_t batches_in_flight() const;            ///< at most: what fits in the budget
  [[nodiscard]] std::size_t batch_bytes() const;                   ///< of a full batch's samples here
  [[nodiscard]] std::size_t peak_bytes() const;                    ///< most that was ever in flight
  [[nodiscard]] std::size_t scratch_bytes() const;                 ///< what its threads take beside batches
  [[nodiscard]] std::string memory_plan() const;                   ///< "loader: 2 threads, 3 batches of ... in ..."

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vox

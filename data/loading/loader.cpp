#include "data/loading/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "data/loading/sample.h"
#include "data/loading/shuffle.h"
#include "engine/ranks/rank_cases.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// A batch that is being filled or waits to be taken. Each sample of it is written by one worker.
struct Slot {
  std::int64_t index = 0;  ///< of the batch in the epoch
  Batch batch;
  std::vector<std::exception_ptr> errors;  ///< by sample: the first one thrown is the same whatever the timing
  std::int64_t unfinished = 0;             ///< samples; guarded by the loader's mutex
};

/// The same bytes as n values of another type.
template <class T> std::span<T> values_at(std::byte* p, std::size_t n) { return {reinterpret_cast<T*>(p), n}; }

/// The cases of an epoch of so many samples: passes over all cases, each in an order of its own, joined end to end.
std::vector<std::size_t> order_of(const LoaderOptions& options, std::uint32_t epoch, std::int64_t samples) {
  const std::size_t cases = options.files.size();
  const std::uint64_t first = std::uint64_t{epoch} * static_cast<std::uint64_t>(samples);
  std::vector<std::size_t> order;
  std::vector<std::size_t> pass;
  for (std::uint64_t i = first; i < first + static_cast<std::uint64_t>(samples); ++i) {
    if (pass.empty() || i % cases == 0) {
      const auto which = static_cast<std::uint32_t>(i / cases);
      pass = shuffled(cases, {.seed = options.seed, .step = which, .place = kPlaceOrder});
      if (!options.shuffle) { std::ranges::sort(pass); }
    }
    order.push_back(pass[i % cases]);
  }
  return order;
}

}  // namespace

std::int64_t default_batches_ahead(int threads, std::int64_t batch) {
  constexpr std::int64_t kLeast = 3;
  return std::max(kLeast, (2 * std::int64_t{threads} + batch - 1) / batch);
}

/// Workers take, in this order of preference, the next sample of the newest slot, or open the next slot while the
/// budget has room. The caller takes slots from the front. `taken <= opened <= batches` count slots of the epoch.
struct Loader::Impl {
  explicit Impl(LoaderOptions given) : options(std::move(given)) {
    VOX_CHECK(!options.files.empty(), "loader: no files");
    VOX_CHECK(options.batch >= 1 && options.threads >= 1, "loader: batch {} and {} threads, wants at least 1 of each",
              options.batch, options.threads);
    check_augment(options.augment);
    constexpr std::int64_t kMostSamples = 100'000'000;  // of an epoch: their order is kept
    VOX_CHECK(options.steps_per_epoch >= 0 && options.steps_per_epoch <= kMostSamples / options.batch,
              "loader: {} steps of {} samples an epoch, wants at most {} samples", options.steps_per_epoch,
              options.batch, kMostSamples);
    const PreparedInfo first = PreparedFile(options.files.front()).info();
    sample = shape_of(first);
    if (options.patch) {
      check_patch(*options.patch);
      std::ranges::copy(options.patch->size, sample.begin() + 1);
    }
    std::vector<Extent3> cases;
    if (options.patch && options.augment.nnunet) {
      for (const auto& file : options.files) { cases.push_back(PreparedFile(file).info().mapping.size); }
    }
    scratch_bytes = sample_maker_bytes(options, sample, first.image_type, cases);
    voxels = static_cast<std::size_t>(sample[1] * sample[2] * sample[3]);
    values = static_cast<std::size_t>(sample[0]) * voxels;
    samples = options.steps_per_epoch > 0 ? options.steps_per_epoch * options.batch : std::ssize(options.files);
    batches = options.drop_last ? samples / options.batch : (samples + options.batch - 1) / options.batch;
    VOX_CHECK(batches >= 1, "loader: {} cases make no full batch of {}", samples, options.batch);
    if (options.ranks > 1) {
      for (const auto& file : options.files) { names.push_back(PreparedFile(file).info().id); }
    }
    if (options.memory_bytes == 0) {
      const std::int64_t all = default_batches_ahead(options.threads, cases_of(0).count());
      options.memory_bytes = static_cast<std::size_t>(all) * bytes_of(0);
    }
    ahead = static_cast<std::int64_t>(options.memory_bytes / bytes_of(0));
    VOX_CHECK(ahead >= 1, "loader: a batch of {} takes {} bytes, more than the memory budget of {}",
              cases_of(0).count(), bytes_of(0), options.memory_bytes);
    memory = std::make_unique<BatchMemory>(bytes_of(0), options.memory);
    for (int t = 0; t < options.threads; ++t) {
      threads.emplace_back([this] { serve(); });
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    work.notify_all();
  }

  [[nodiscard]] std::int64_t samples_in(std::int64_t batch) const {
    return std::min(options.batch, samples - batch * options.batch);
  }
  /// What of it is read here.
  [[nodiscard]] RankCases cases_of(std::int64_t batch) const {
    return rank_cases(samples_in(batch), options.at_a_time, options.rank, options.ranks);
  }
  [[nodiscard]] std::size_t bytes_of(std::int64_t batch) const {
    return static_cast<std::size_t>(cases_of(batch).count()) * (values * sizeof(float) + voxels);
  }

  void start(std::uint32_t which, std::int64_t first_batch) {
    VOX_CHECK(first_batch >= 0 && first_batch <= batches, "loader: batch {} of an epoch of {}", first_batch, batches);
    {
      std::unique_lock lock(mutex);
      draining = true;  // workers end the sample they are at, because they write into its slot, and take no other
      idle.wait(lock, [this] { return busy == 0; });
      draining = false;
      slots.clear();
      filling = nullptr;
      in_flight_bytes = 0;
      epoch = which;
      order = order_of(options, epoch, samples);
      taken = opened = first_batch;
      started = true;
    }
    work.notify_all();
  }

  std::optional<Batch> next() {
    std::unique_lock lock(mutex);
    VOX_CHECK(started, "loader: next() before start_epoch()");
    if (taken == batches) { return std::nullopt; }
    filled.wait(lock, [this] { return !slots.empty() && slots.front()->unfinished == 0; });
    for (const std::exception_ptr& e : slots.front()->errors) {
      if (e) { std::rethrow_exception(e); }
    }
    Batch batch = std::move(slots.front()->batch);
    slots.pop_front();
    in_flight_bytes -= bytes_of(taken);
    ++taken;
    lock.unlock();
    work.notify_all();
    return batch;
  }

  void serve() {
    SampleMaker maker(options, sample);
    std::unique_lock lock(mutex);
    for (;;) {
      work.wait(lock, [this] { return stop || (!draining && (filling != nullptr || may_open())); });
      if (stop) { return; }
      ++busy;
      if (filling != nullptr) {
        fill(lock, maker);
      } else {
        open(lock);
      }
      if (--busy == 0) { idle.notify_all(); }
    }
  }

  [[nodiscard]] bool may_open() const { return started && !opening && opened < batches && opened - taken < ahead; }

  /// Makes the next slot. Its memory is taken without the lock: the system may have to find it.
  void open(std::unique_lock<std::mutex>& lock) {
    opening = true;
    auto slot = std::make_unique<Slot>();
    slot->index = opened++;
    in_flight_bytes += bytes_of(slot->index);
    peak_bytes = std::max(peak_bytes, in_flight_bytes);
    lock.unlock();
    try {
      RankCases here = cases_of(slot->index);
      const std::int64_t n = here.count();
      slot->errors.resize(static_cast<std::size_t>(n));
      slot->batch.ids = ids_of(slot->index);
      slot->batch.places = std::move(here.places);
      slot->batch.shares = std::move(here.shares);
      slot->batch.keys.resize(static_cast<std::size_t>(n));
      slot->batch.shape = {n, sample[0], sample[1], sample[2], sample[3]};
      slot->batch.memory = memory->take();
      std::byte* const images = slot->batch.memory.get();
      slot->batch.images = values_at<float>(images, static_cast<std::size_t>(n) * values);
      slot->batch.labels =
          values_at<std::uint8_t>(images + slot->batch.images.size_bytes(), static_cast<std::size_t>(n) * voxels);
      slot->unfinished = n;
    } catch (...) { slot->errors.assign(1, std::current_exception()); }
    lock.lock();
    opening = false;
    filling = slot->unfinished > 0 ? slot.get() : nullptr;
    next_sample = 0;
    slots.push_back(std::move(slot));
    filled.notify_one();
    work.notify_all();
  }

  /// Of all cases of a batch; of one rank those that read them say what they are.
  [[nodiscard]] std::vector<std::string> ids_of(std::int64_t batch) const {
    std::vector<std::string> ids(static_cast<std::size_t>(samples_in(batch)));
    if (options.ranks == 1) { return ids; }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ids[i] = names[order[static_cast<std::size_t>(batch * options.batch) + i]];
    }
    return ids;
  }

  void fill(std::unique_lock<std::mutex>& lock, SampleMaker& maker) {
    Slot& slot = *filling;
    const std::int64_t s = next_sample++;
    if (next_sample == std::ssize(slot.batch.places)) { filling = nullptr; }
    lock.unlock();
    try {
      load(slot, static_cast<std::size_t>(s), maker);
    } catch (...) { slot.errors[static_cast<std::size_t>(s)] = std::current_exception(); }
    lock.lock();
    if (--slot.unfinished == 0) { filled.notify_one(); }
    if (filling == nullptr) { work.notify_one(); }
  }

  void load(Slot& slot, std::size_t s, SampleMaker& maker) const {
    const std::int64_t place = slot.batch.places[s];
    const auto position = static_cast<std::size_t>(slot.index * options.batch + place);
    const SampleKey key{.seed = options.seed, .epoch = epoch, .position = static_cast<std::uint32_t>(position)};
    slot.batch.keys[s] = key;
    std::string id =
        maker.make(options.files[order[position]], key, place, slot.batch.images.subspan(s * values, values),
                   slot.batch.labels.subspan(s * voxels, voxels));
    if (options.ranks == 1) { slot.batch.ids[s] = std::move(id); }
  }

  LoaderOptions options;
  std::vector<std::string> names;  // of the files, where there are several ranks
  std::array<std::int64_t, 4> sample{};
  std::size_t voxels = 0;    // of a sample
  std::size_t values = 0;    // of a sample's image
  std::int64_t samples = 0;  // of an epoch
  std::int64_t batches = 0;  // of an epoch
  std::size_t scratch_bytes = 0;
  std::int64_t ahead = 0;  // slots the budget holds
  std::unique_ptr<BatchMemory> memory;

  std::mutex mutex;  // guards everything below
  std::condition_variable work;
  std::condition_variable filled;
  std::condition_variable idle;
  std::deque<std::unique_ptr<Slot>> slots;
  Slot* filling = nullptr;       // the newest slot, while it has samples nobody has begun
  std::int64_t next_sample = 0;  // of it
  std::int64_t taken = 0;
  std::int64_t opened = 0;
  std::size_t in_flight_bytes = 0;
  std::size_t peak_bytes = 0;
  std::uint32_t epoch = 0;
  std::vector<std::size_t> order;  // read without the lock, but written while no worker is busy
  int busy = 0;
  bool opening = false;
  bool draining = false;
  bool started = false;
  bool stop = false;
  std::vector<std::jthread> threads;  // last: joined before the rest dies
};

Loader::Loader(LoaderOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Loader::~Loader() = default;
void Loader::start_epoch(std::uint32_t epoch, std::int64_t first_batch) { impl_->start(epoch, first_batch); }
std::optional<Batch> Loader::next() { return impl_->next(); }
std::int64_t Loader::batches_per_epoch() const { return impl_->batches; }
std::int64_t Loader::samples_per_epoch() const { return impl_->samples; }
std::size_t Loader::scratch_bytes() const { return impl_->scratch_bytes; }
std::array<std::int64_t, 4> Loader::sample_shape() const { return impl_->sample; }
std::int64_t Loader::batches_in_flight() const { return impl_->ahead; }
std::size_t Loader::batch_bytes() const { return impl_->bytes_of(0); }

std::size_t Loader::peak_bytes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->peak_bytes;
}

std::string Loader::memory_plan() const {
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) * 0x1p-20; };
  const std::string beside =
      impl_->scratch_bytes > 0 ? fmt::format(", and {:.1f} MiB of its threads", mib(impl_->scratch_bytes)) : "";
  return fmt::format("loader: {} threads, at most {} batches of {:.1f} MiB in a budget of {:.1f} MiB{}",
                     impl_->options.threads, impl_->ahead, mib(batch_bytes()), mib(impl_->options.memory_bytes),
                     beside);
}

}  // namespace vox

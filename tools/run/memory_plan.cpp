#include "tools/run/memory_plan.h"

#include <algorithm>

#include "engine/allocator.h"
#include "engine/kept.h"
#include "engine/ranks/communicator.h"
#include "engine/ranks/rank_cases.h"
#include "kernels/base/check.h"

namespace vox {

StepRequest step_request(const TrainOptions& o, Device device, const Communicator* ranks) {
  return {.config = unet_config(o),
          .dtype = dtype_named(o.dtype),
          .device = device,
          .extents = step_extents(o),
          .batch = o.batch,
          .micro_batch = o.micro_batch,
          .rank = ranks == nullptr ? 0 : ranks->rank(),
          .ranks = ranks == nullptr ? 1 : ranks->size(),
          .reduce = reduce_named(o.reduce),
          .loss = loss_options(o),
          .optimizer = optimizer_options(o),
          .ema = o.ema,
          .fusion = fusion_named(o.fusion)};
}

std::size_t waiting_bytes(const StepRequest& r, const HostHolds& host) {
  const auto values =
      static_cast<std::size_t>(rank_cases(r.batch, r.micro_batch, r.rank, r.ranks).count() * voxels_of(r.extents));
  const std::size_t batch = values * (static_cast<std::size_t>(r.config.in_channels) * sizeof(float) + 1);
  return static_cast<std::size_t>(host.batches_in_flight + 1) * batch + host.scratch_bytes + host.validation_bytes;
}

MemoryLimit memory_limit(const std::string& asked, Device device) {
  if (asked.empty()) { return available_memory(device); }
  MemoryLimit limit{bytes_named(asked), "--memory"};
  return device == Device::cuda ? limit : shared_by_ranks(std::move(limit));
}

std::size_t left_for_tensors(const MemoryLimit& limit, std::size_t waiting, Device device) {
  if (device == Device::cuda) { return limit.bytes; }
  return limit.bytes > waiting ? limit.bytes - waiting : 0;
}

bool run_fits(const StepRequest& r, const HostHolds& host, const MemoryLimit& limit) {
  return training_fits(r, left_for_tensors(limit, waiting_bytes(r, host), r.device));
}

std::int64_t largest_batch(const StepRequest& r, const MemoryLimit& limit) {
  constexpr std::int64_t kMost = 1024;
  std::int64_t good = 0;
  for (std::int64_t bad = kMost + 1; bad - good > 1;) {
    StepRequest tried = r;
    tried.micro_batch = 0;
    tried.batch = good + (bad - good) / 2;
    (run_fits(tried, {}, limit) ? good : bad) = tried.batch;
  }
  return good;
}

namespace {

std::string advice(const StepRequest& request, std::size_t left_bytes) {
  const std::int64_t cases = largest_micro_batch(request, left_bytes);
  if (cases > 0) { return fmt::format("the largest micro-batch that fits is {0}: --micro-batch {0}", cases); }
  if (request.batch == 1) { return "not even one case fits: a smaller cube, or fewer channels, would"; }
  return "no micro-batch fits: a smaller --batch might";
}

/// Where tensors are on a GPU.
void check_host(std::size_t waiting) {
  const MemoryLimit host = available_memory(Device::cpu);
  if (waiting <= host.bytes) { return; }
  fail<MemoryError>(__FILE__, __LINE__,
                    fmt::format("batches that wait, and validation, take {} on the CPU; there is {} ({}): fewer "
                                "--loader-threads, or less --loader-memory-mib, take less",
                                bytes_text(waiting), bytes_text(host.bytes), host.source));
}

}  // namespace

StepPlan plan_and_decide_keeping(const StepRequest& r, const MemoryLimit& limit) {
  set_keep_all(r.device == Device::cuda);
  StepPlan plan = plan_training(r);
  if (keeps_all() && plan.system_bytes() > limit.bytes) {
    set_keep_all(false);
    plan = plan_training(r);
  }
  return plan;
}

void check_fits(const StepRequest& r, const StepPlan& plan, std::size_t waiting, const MemoryLimit& limit) {
  const std::size_t left = left_for_tensors(limit, waiting, r.device);
  if (plan.system_bytes() <= left) { return; }
  const std::string beside =
      r.device == Device::cuda ? ""
                               : fmt::format(" beside {} of batches that wait, and of validation", bytes_text(waiting));
  fail<MemoryError>(
      __FILE__, __LINE__,
      fmt::format("a training step of {} cases at {}, {} at a time, takes {} for tensors (peak {}, {}){}; there is {} "
                  "({}); {}",
                  r.batch, extents_text(r.extents), r.micro_batch == 0 ? r.batch : r.micro_batch,
                  bytes_text(plan.system_bytes()), bytes_text(plan.peak_bytes), plan.peak_at, beside,
                  bytes_text(limit.bytes), limit.source, advice(r, left)));
}

RunMemory::RunMemory(const StepRequest& run, const HostHolds& host, const Extents& validation,
                     const MemoryLimit& limit) {
  const auto request = [&](std::int64_t batch) {
    StepRequest r = run;
    r.batch = batch;
    r.micro_batch = std::min(run.micro_batch, batch);
    return r;
  };
  const StepRequest largest = request(std::min(run.batch, host.samples_per_epoch));
  steps_[largest.batch] = plan_and_decide_keeping(largest, limit);
  const std::int64_t rest = host.samples_per_epoch % run.batch;
  if (rest > 0) { steps_[rest] = plan_training(request(rest)); }
  const std::size_t waiting = waiting_bytes(largest, host);
  check_fits(largest, largest_step(), waiting, limit);
  if (run.device == Device::cuda) { check_host(waiting); }
  StepRequest whole = request(1);
  whole.extents = validation;
  validation_ = plan_inference(whole);
  std::size_t arena = validation_.arena.bytes;
  for (const auto& entry : steps_) { arena = std::max(arena, entry.second.arena.bytes); }
  reserve_arena(run.device, arena);
}

}  // namespace vox

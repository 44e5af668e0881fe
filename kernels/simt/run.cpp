#include <algorithm>
#include <atomic>
#include <mutex>

#include "kernels/base/check.h"
#include "kernels/base/parallel.h"
#include "kernels/simt/recording.h"
#include "kernels/simt/runner.h"

namespace vox::simt {
namespace {

std::atomic<std::int64_t> launch_count{0};
Interpreter chosen_interpreter = nullptr;
constexpr std::uint32_t kMostEpochs = 1U << 31U;   // as many again are left for the launch at hand
constexpr std::uint64_t kThreadsPerWorker = 2048;  // less is done sooner than a worker is woken

void check_limits(const Launch& l, const Options& o) {
  const auto refuse = [&](const std::string& why) {
    report(Fault::limit, l.at,
           fmt::format("grid {}x{}x{}, block {}x{}x{}: {}", l.grid.x, l.grid.y, l.grid.z, l.block.x, l.block.y,
                       l.block.z, why));
    throw_faults(l);
  };
  if (l.grid.count() == 0 || l.block.count() == 0) { refuse("empty"); }
  if (l.grid.x > 0x7FFFFFFFU || l.grid.y > 65535 || l.grid.z > 65535) { refuse("more blocks than CUDA allows"); }
  if (l.block.count() > kMaxThreads || l.block.z > 64) { refuse("more threads than CUDA allows"); }
  const std::string excess =
      shared_excess(0, l.shared_bytes, o.shared_limit_bytes);  // its own arrays: where they begin
  if (!excess.empty()) { refuse(excess); }
}

struct Job {
  const Launch& launch;
  const Body& body;
  const Options& options;
  std::uint32_t epoch;  // before those of its blocks
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
};

void run_blocks(Job& job) {
  Runner& r = runner();
  if (r.options.order != job.options.order) { r.lanes.clear(); }
  r.options = job.options;
  r.body = job.body;
  r.random.seed(job.options.seed);
  r.aborted = false;
  r.history.launch = job.epoch;
  r.history.blocks.clear();
  r.history.published.clear();
  const std::uint64_t blocks = job.launch.grid.count();
  for (std::uint64_t i = job.next++; i < blocks && !job.stop; i = job.next++) {
    r.history.block = r.history.epoch = next_epoch();
    run_block(r, job.options.order == Order::reverse ? blocks - 1 - i : i, job.launch);
    if (r.aborted) { job.stop = true; }
  }
}

}  // namespace

Options& options() {
  static Options o;
  return o;
}

bool checks_accesses() { return kChecked; }
void set_interpreter(Interpreter i) { chosen_interpreter = i; }
Interpreter interpreter() { return chosen_interpreter; }

std::int64_t launches() { return launch_count; }

void run(const Launch& l, const Body& body) {
  if (!simt_device::replaying()) { ++launch_count; }
  static std::mutex one_at_a_time;  // faults and the history of memory belong to one launch
  const std::lock_guard lock(one_at_a_time);
  const Options o = options();
  check_limits(l, o);
  Job job{l, body, o, next_epoch()};
  VOX_CHECK(!kChecked || job.epoch < kMostEpochs, "simt: more blocks and barriers than the checks can tell apart");
  const std::uint64_t worth = std::min(l.grid.count(), l.grid.count() * l.block.count() / kThreadsPerWorker);
  [[maybe_unused]] const auto workers =
      static_cast<int>(std::min<std::uint64_t>(worth, static_cast<std::uint64_t>(o.os_threads)));
  if (kChecked || workers < 2) {
    run_blocks(job);
  } else {
    run_workers(
        workers, [](void* context, int) { run_blocks(*static_cast<Job*>(context)); }, &job);
  }
  throw_faults(l);
}

}  // namespace vox::simt

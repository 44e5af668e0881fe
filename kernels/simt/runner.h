#pragma once

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/simt/async.h"
#include "kernels/simt/faults.h"
#include "kernels/simt/fibers.h"
#include "kernels/simt/options.h"
#include "kernels/simt/shadow.h"

/// The state of one block while it runs. Blocks run one after another on an OS thread; each has its own Runner.
namespace vox::simt {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kMaxThreads = 1024;
inline constexpr std::size_t kSharedArena = std::size_t{512} << 10U;  ///< 227 KiB and the gaps between arrays

enum class State : std::uint8_t { fresh, ready, at_barrier, in_warp_call, at_mbarrier, done };
enum class WarpOp : std::uint8_t { shuffle, ballot, sync, load_matrices, multiply };

/// What a thread brought to a collective of its warp.
struct WarpCall {
  WarpOp op = WarpOp::sync;
  bool same_line = false;  ///< .aligned in PTX: the whole warp at one instruction
  unsigned mask = 0;
  const char* name = "";
  Site at;
  const void* in = nullptr;
  void* out = nullptr;
  std::size_t bytes = 0;
  unsigned number = 0;  ///< source lane, number of matrices, kind of product
  bool flag = false;    ///< predicate, transposed
};

struct Lane : ThreadContext {
  Fiber* fiber = nullptr;  ///< from its first instruction to its last
  State state = State::fresh;
  WarpCall call;
  Site at;  ///< of the barrier it waits at
  Vote vote = Vote::count;
  unsigned result = 0;
  const std::uint64_t* mbarrier = nullptr;
  unsigned parity = 0;
  CopyQueue copies;
  Clocks clocks;
};

struct Warp {
  unsigned exist = 0;
  unsigned done = 0;
  unsigned waiting = 0;
};

struct Barrier {
  Site at;  ///< where the first thread arrived
  unsigned arrived = 0;
  unsigned votes = 0;
  std::vector<std::uint16_t> who;
};

struct SharedArray {
  const void* key;
  std::byte* data;
  std::size_t bytes;
  const char* name;
};

struct SharedMemory {
  std::byte* arena = nullptr;
  Shadow shadow;  ///< of the checking build
  std::vector<SharedArray> arrays;
  std::size_t used = 0;          ///< with the gaps between arrays
  std::size_t static_bytes = 0;  ///< without; of the kernel's own arrays, as far as a thread has come to them
  std::byte* dynamic = nullptr;
  std::size_t dynamic_bytes = 0;

  [[nodiscard]] bool holds(const void* p) const;
};

struct Runner {
  Runner();
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  std::vector<Lane> lanes;
  std::vector<Warp> warps;
  Barrier barrier;
  unsigned live = 0;     ///< threads of the block that have not left
  unsigned started = 0;  ///< of them, those that have run at all
  std::vector<std::uint16_t> start_order;
  std::vector<std::uint16_t> ready;
  std::size_t ready_head = 0;
  bool aborted = false;

  FiberPool fibers;
  SharedMemory shared;
  std::unordered_map<const std::uint64_t*, Mbarrier> mbarriers;
  std::vector<BulkCopy> bulk_copies;
  BlockHistory history;

  Body body{};
  Options options;  ///< as they were at the launch
  std::mt19937_64 random;
};

[[nodiscard]] Runner& runner();                     ///< of this OS thread
extern constinit thread_local Runner* this_runner;  ///< runner(), inside a kernel
[[nodiscard]] Lane& this_lane();                    ///< inside a kernel

void run_block(Runner&, std::uint64_t number, const Launch&);

/// Lets the others run until somebody makes `me` ready. A block in which nobody can run is a deadlock.
void wait_to_be_ready(Runner&, Lane& me);
void make_ready(Runner&, Lane&);
[[noreturn]] void abandon_block(Runner&);  ///< what follows makes no sense after the reported fault
/// text() is the message: nothing of it may live on when the block, whose stacks nobody unwinds, is left.
template <class Text> [[noreturn]] void stop_block(Fault kind, const Site& at, const Text& text) {
  report(kind, at, text());
  abandon_block(runner());
}

void thread_left_warp(Runner&, Lane&);
void thread_left_barrier(Runner&, const Lane&);

void start_shared(Runner&, std::size_t dynamic_bytes);
[[nodiscard]] std::string describe_shared(const SharedMemory&, const void*);

bool complete_bulk_copy(Runner&);  ///< one of those in flight, if there is one

}  // namespace vox::simt

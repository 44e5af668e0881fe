#include "tests/support/schedules.h"

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vox::test::model {
namespace {

constexpr std::int64_t kLongest = 100'000;  ///< points: what is longer does not end

using Stack = std::array<char, 128 << 10>;

/// Stacks of schedules that have ended.
std::vector<std::unique_ptr<Stack>>& spare_stacks() {
  static std::vector<std::unique_ptr<Stack>> spare;
  return spare;
}

std::unique_ptr<Stack> take_stack() {
  auto& spare = spare_stacks();
  if (spare.empty()) { return std::make_unique_for_overwrite<Stack>(); }
  auto stack = std::move(spare.back());
  spare.pop_back();
  return stack;
}

struct Fiber {
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  Fiber(Fiber&&) = delete;
  Fiber& operator=(Fiber&&) = delete;
  ~Fiber() { spare_stacks().push_back(std::move(stack)); }

  std::function<void()> body;
  std::function<bool()> ready;
  std::unique_ptr<Stack> stack = take_stack();
  ucontext_t context{};
  bool done = false;
};

/// What was chosen at a point, of how many.
struct Choice {
  std::size_t taken = 0;
  std::size_t of = 0;
};

class Scheduler {
 public:
  Scheduler(int preemptions, std::vector<Choice>& choices) : left_(preemptions), choices_(choices) {}

  int start(std::function<void()> body) {
    auto fiber = std::make_unique<Fiber>();
    fiber->body = std::move(body);
    fiber->ready = [] { return true; };
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack->data();
    fiber->context.uc_stack.ss_size = fiber->stack->size();
    fiber->context.uc_link = &own_;
    makecontext(&fiber->context, &Scheduler::enter, 0);
    fibers_.push_back(std::move(fiber));
    return static_cast<int>(fibers_.size()) - 1;
  }

  void run() {
    for (;;) {
      std::vector<int> able;
      bool all_done = true;
      for (int i = 0; i < std::ssize(fibers_); ++i) {
        const Fiber& f = *fibers_[static_cast<std::size_t>(i)];
        all_done &= f.done;
        if (!f.done && f.ready()) { able.push_back(i); }
      }
      if (all_done) { return; }
      if (able.empty()) { return fail("no thread can go on"); }
      if (points_ == kLongest) { return fail("a schedule does not end"); }
      running_ = choose(able);
      swapcontext(&own_, &fibers_[static_cast<std::size_t>(running_)]->context);
    }
  }

  void wait_until(const std::function<bool()>& ready) {
    Fiber& f = *fibers_[static_cast<std::size_t>(running_)];
    f.ready = ready;
    swapcontext(&f.context, &own_);
  }

  [[nodiscard]] bool done(int fiber) const { return fibers_[static_cast<std::size_t>(fiber)]->done; }
  void fail(const std::string& what) {
    if (failure_.empty()) { failure_ = what; }
  }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] std::int64_t points() const { return points_; }

  static Scheduler* now;

 private:
  static void enter() {
    Fiber& f = *now->fibers_[static_cast<std::size_t>(now->running_)];
    f.body();
    f.body = nullptr;
    f.done = true;
  }

  /// The thread that runs comes first: it goes on, if it can, unless the choice is to preempt it.
  int choose(std::vector<int>& able) {
    const auto same = std::ranges::find(able, running_);
    const bool preempts = same != able.end();
    if (preempts) {
      std::rotate(able.begin(), same, same + 1);
      if (left_ == 0) { able.resize(1); }
    }
    if (able.size() == 1) { return able[0]; }
    const auto at = static_cast<std::size_t>(points_++);
    if (at == choices_.size()) { choices_.push_back({0, able.size()}); }
    const std::size_t taken = choices_[at].taken;
    if (choices_[at].of != able.size()) { fail("the scenario is not the same each time"); }
    if (preempts && taken > 0) { --left_; }
    return able[std::min(taken, able.size() - 1)];
  }

  int left_;
  std::vector<Choice>& choices_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  ucontext_t own_{};
  int running_ = 0;
  std::int64_t points_ = 0;
  std::string failure_;
};

Scheduler* Scheduler::now = nullptr;

/// The next schedule, depth first; false where that was the last.
bool advance(std::vector<Choice>& choices) {
  while (!choices.empty()) {
    Choice& last = choices.back();
    if (++last.taken < last.of) { return true; }
    choices.pop_back();
  }
  return false;
}

}  // namespace

Explored explore(int preemptions, const std::function<void()>& scenario) {
  Explored explored;
  std::vector<Choice> choices;
  do {
    // One that has failed is left as it is: its threads hold what they hold.
    auto* const scheduler = new Scheduler(preemptions, choices);  // NOLINT(cppcoreguidelines-owning-memory)
    Scheduler::now = scheduler;
    scheduler->start(scenario);
    scheduler->run();
    ++explored.schedules;
    explored.longest = std::max(explored.longest, scheduler->points());
    explored.failure = scheduler->failure();
    Scheduler::now = nullptr;
    if (explored.failure.empty()) { delete scheduler; }  // NOLINT(cppcoreguidelines-owning-memory)
  } while (explored.failure.empty() && advance(choices));
  return explored;
}

void fail(const std::string& what) { Scheduler::now->fail(what); }
void wait_until(const std::function<bool()>& ready) { Scheduler::now->wait_until(ready); }

Thread::Thread(std::function<void()> body) : fiber_(Scheduler::now->start(std::move(body))) {}
Thread::Thread(Thread&& other) noexcept : fiber_(std::exchange(other.fiber_, -1)) {}
Thread::~Thread() {
  if (fiber_ < 0) { return; }
  wait_until([fiber = fiber_] { return Scheduler::now->done(fiber); });
}

}  // namespace vox::test::model

#include "engine/dry_run.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <utility>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/memory_limits.h"
#include "engine/tensor_body.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

thread_local DryRun* running = nullptr;

/// Address space that reads as zeros and takes memory only where it is written to; nullptr where there is none.
std::byte* address_space(std::size_t bytes) {
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}

/// A plan takes as many addresses as what it plans, though no memory.
[[noreturn]] void fail_for_addresses(std::size_t wanted) {
  rlimit limit{};
  const bool limited = getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  fail<MemoryError>(
      __FILE__, __LINE__,
      fmt::format(
          "it takes {} or more for tensors, and as much address space to plan it; there is {}", bytes_text(wanted),
          limited ? bytes_text(limit.rlim_cur) + " for all of the program (ulimit -v)" : std::string("no more")));
}

const std::byte* address_of(const Tensor& t) { return std::as_const(*t.body().storage).data(); }

}  // namespace

DryRun::DryRun() {
  VOX_CHECK(running == nullptr, "dry run: one is under way on this thread");
  running = this;
  cpu_queue().dry = true;
}

DryRun::~DryRun() {
  running = nullptr;
  cpu_queue().dry = false;
}

DryRun* DryRun::current() { return running; }

void DryRun::enter(Stage stage) {
  open_ = stage != Stage::forward;
  if (open_) { steps_.push_back({.stage = stage, .op = {}, .layer = {}, .output = {}}); }
}

void DryRun::name_layer(const Tensor& parameter, const std::string& name) {
  layers_[address_of(parameter)] = name.substr(0, name.rfind('.'));
}

std::byte* DryRun::allocate(std::size_t bytes, Device device) {
  if (bytes == 0) { return nullptr; }
  std::byte* const p = address_space(bytes);
  if (p == nullptr) {
    std::size_t wanted = bytes;
    for (const auto& entry : live_) { wanted += blocks_[entry.second].bytes; }
    fail_for_addresses(wanted);
  }
  live_[p] = blocks_.size();
  blocks_.push_back(
      {.bytes = counted_bytes(bytes, device), .device = device, .born = time_++, .born_step = step_now()});
  return p;
}

void DryRun::release(std::byte* p, std::size_t bytes) noexcept {
  if (running != nullptr) {
    if (const auto found = running->live_.find(p); found != running->live_.end()) {
      DryBlock& block = running->blocks_[found->second];
      block.died = running->time_++;
      block.died_step = running->step_now();
      running->live_.erase(found);
    }
  }
  munmap(p, bytes);
}

void DryRun::ran(Op op, const Tensor& y, std::span<const Tensor> inputs) {
  for (const Tensor& t : inputs) {
    if (!t.defined()) { continue; }
    if (const auto found = layers_.find(address_of(t)); found != layers_.end()) { layer_ = found->second; }
  }
  if (open_) { return; }  // an operator inside another stage, such as the cast of an input
  steps_.push_back({.stage = Stage::forward, .op = std::string(name(op)), .layer = layer_, .output = y.shape()});
}

void DryRun::recorded(const Node& node) {
  if (!open_ && !steps_.empty()) { step_of_serial_[node.serial] = steps_.size() - 1; }
}

void DryRun::runs_backward(const Node& node) {
  const auto found = step_of_serial_.find(node.serial);
  DryStep step = found != step_of_serial_.end() ? steps_[found->second] : DryStep{};
  step.op = name(node.op);
  step.stage = Stage::backward;
  steps_.push_back(std::move(step));
  open_ = true;
}

void DryRun::mark_live(bool DryBlock::*mark) {
  for (const auto& entry : live_) { blocks_[entry.second].*mark = true; }
}

DryRun::BackwardPass::BackwardPass() {
  if (running == nullptr) { return; }
  running->mark_live(&DryBlock::outlives_forward);
  running->enter(Stage::backward);
}

DryRun::BackwardPass::~BackwardPass() {
  if (running == nullptr) { return; }
  running->mark_live(&DryBlock::outlives_backward);
  running->enter(Stage::forward);
}

}  // namespace vox

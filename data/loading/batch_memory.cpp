#include "data/loading/batch_memory.h"

#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace vox {
namespace {

constexpr std::align_val_t kCacheLine{64};

std::shared_ptr<std::byte> ordinary(std::size_t bytes) {
  return {static_cast<std::byte*>(::operator new(bytes, kCacheLine)),
          [](std::byte* p) { ::operator delete(p, kCacheLine); }};
}

}  // namespace

struct BatchMemory::Free {
  std::mutex mutex;
  std::vector<std::shared_ptr<std::byte>> pieces;

  std::shared_ptr<std::byte> pop() {
    const std::lock_guard lock(mutex);
    if (pieces.empty()) { return nullptr; }
    std::shared_ptr<std::byte> piece = std::move(pieces.back());
    pieces.pop_back();
    return piece;
  }
  void push(std::shared_ptr<std::byte> piece) {
    const std::lock_guard lock(mutex);
    pieces.push_back(std::move(piece));
  }
};

BatchMemory::BatchMemory(std::size_t bytes, Make make)
    : bytes_(bytes), make_(make ? std::move(make) : Make(ordinary)), free_(std::make_shared<Free>()) {}

std::shared_ptr<std::byte> BatchMemory::take() {
  std::shared_ptr<std::byte> piece = free_->pop();
  if (!piece) { piece = make_(bytes_); }
  std::byte* const p = piece.get();
  return {p, [free = free_, held = std::move(piece)](std::byte*) mutable { free->push(std::move(held)); }};
}

}  // namespace vox

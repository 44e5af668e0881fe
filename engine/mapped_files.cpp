#include "engine/mapped_files.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>

namespace vox {
namespace {

/// Free where `begin` is nullptr, which is written last and first: a signal handler reads them at any time.
struct Slot {
  std::atomic<const std::byte*> begin = nullptr;
  std::atomic<std::size_t> bytes = 0;
  std::atomic<const char*> file = nullptr;
};

/// As many as are mapped at a time; blocks are never given back.
struct Block {
  std::array<Slot, 256> slots;
  std::atomic<Block*> next = nullptr;
};

Block first;
std::mutex writing;
const char* program = "";
int exit_code = 0;

Slot* slot_of(const std::byte* begin) {
  for (Block* block = &first; block != nullptr; block = block->next) {
    for (Slot& slot : block->slots) {
      if (slot.begin == begin) { return &slot; }
    }
  }
  return nullptr;
}

/// nullptr where it is in none. The mapping it is in is being read, so its file's name lives.
const char* file_at(const std::byte* place) {
  const auto at = reinterpret_cast<std::uintptr_t>(place);
  for (Block* block = &first; block != nullptr; block = block->next) {
    for (Slot& slot : block->slots) {
      const auto begin = reinterpret_cast<std::uintptr_t>(slot.begin.load());
      if (begin != 0 && at >= begin && at - begin < slot.bytes) { return slot.file; }
    }
  }
  return nullptr;
}

/// Only what a signal handler may call.
void say(const char* text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) { return; }  // nowhere to say so
}

void on_bus_error(int number, siginfo_t* info, void* /*context*/) {
  const char* const file = file_at(static_cast<const std::byte*>(info->si_addr));
  if (file == nullptr) {
    static_cast<void>(signal(number, SIG_DFL));
    static_cast<void>(raise(number));
    return;
  }
  constexpr const char* kGone =
      ": bytes of it are gone or cannot be read: another program cut it short, or its disk failed, while it was in "
      "use\n";
  for (const char* part : {"\n", program, ": ", file, kGone}) { say(part); }
  _exit(exit_code);
}

}  // namespace

void end_on_lost_pages(const char* name, int code) {
  program = name;
  exit_code = code;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

void watch_mapping(std::span<const std::byte> bytes, const char* file) {
  const std::lock_guard one_at_a_time(writing);
  Slot* slot = slot_of(nullptr);
  if (slot == nullptr) {
    auto block = std::make_unique<Block>();
    slot = block->slots.data();
    block->next = first.next.load();
    first.next = block.release();  // NOLINT(cppcoreguidelines-owning-memory): stays for good
  }
  slot->file = file;
  slot->bytes = bytes.size();
  slot->begin = bytes.data();
}

void forget_mapping(std::span<const std::byte> bytes) {
  const std::lock_guard one_at_a_time(writing);
  if (Slot* const slot = slot_of(bytes.data())) { slot->begin = nullptr; }
}

}  // namespace vox
